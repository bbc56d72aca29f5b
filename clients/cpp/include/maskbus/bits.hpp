#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "maskbus/binary_mask.hpp"
#include "maskbus/bytes.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

#ifdef MASKBUS_WITH_ZLIB
#include <limits>

#include <zlib.h>
#endif

/// Masks as packed bits: each row takes ceil(width / 8) bytes, its leftmost pixel the highest bit of the first.
namespace maskbus::bits {

namespace detail {

/// What the eight pixels of each byte are.
inline constexpr std::array<std::array<std::uint8_t, 8>, 256> spread = [] {
    std::array<std::array<std::uint8_t, 8>, 256> table{};
    for (std::size_t byte = 0; byte < table.size(); ++byte) {
        for (std::size_t i = 0; i < 8; ++i) {
            table[byte][i] = (byte & (std::size_t{0x80} >> i)) != 0 ? 255 : 0;
        }
    }
    return table;
}();

}  // namespace detail

/// Return the pixels of packed bits. Those past the end of a row are not looked at. Errors: `invalid_value` unless
/// there are exactly the bytes that a mask of that size takes, `too_large`.
inline Result<BinaryMask> decode(const Bytes& bytes, std::uint32_t width, std::uint32_t height,
                                 const Limits& limits = reply_limits) {
    const std::uint64_t expected = maskbus::detail::packed_bytes(width, height);
    if (bytes.size() != expected) {
        return maskbus::detail::wrong_size(expected, bytes.size());
    }
    auto mask = maskbus::detail::blank_mask(width, height, limits);
    if (!mask) {
        return mask;
    }
    const std::uint8_t* from = bytes.data();
    std::uint8_t* to = mask->pixels.data();
    const std::size_t whole = width / 8;
    const std::size_t rest = width % 8;
    for (std::uint32_t row = 0; row < height; ++row) {
        for (std::size_t i = 0; i < whole; ++i, to += 8) {
            std::memcpy(to, detail::spread[*from++].data(), 8);
        }
        if (rest > 0) {
            std::memcpy(to, detail::spread[*from++].data(), rest);
            to += rest;
        }
    }
    return mask;
}

/// Return the packed bits of a mask whose `pixels` are as many as its sides say; every byte but 0 is object.
inline std::vector<std::uint8_t> encode(const BinaryMask& mask) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(maskbus::detail::packed_bytes(mask.width, mask.height)));
    const std::uint8_t* from = mask.pixels.data();
    std::uint8_t* row = bytes.data();
    for (std::uint32_t y = 0; y < mask.height; ++y) {
        for (std::uint32_t x = 0; x < mask.width; ++x) {
            if (*from++ != 0) {
                row[x / 8] = static_cast<std::uint8_t>(row[x / 8] | 0x80U >> x % 8);
            }
        }
        row += (mask.width + std::size_t{7}) / 8;
    }
    return bytes;
}

#ifdef MASKBUS_WITH_ZLIB

/// Return the pixels of packed bits that are one zlib stream. No more than the mask takes, and one byte to notice more,
/// is ever inflated. Errors: `invalid_value` for a stream that is broken, or holds another number of bytes, or is
/// followed by some; `too_large`.
inline Result<BinaryMask> decode_zlib(const Bytes& bytes, std::uint32_t width, std::uint32_t height,
                                      const Limits& limits = reply_limits) {
    const std::uint64_t expected = maskbus::detail::packed_bytes(width, height);
    if (maskbus::detail::pixels_of(width, height) > limits.pixels || expected >= std::numeric_limits<uInt>::max() ||
        bytes.size() > std::numeric_limits<uInt>::max()) {
        return Error{codes::too_large, "The mask has more pixels than are allowed."};
    }
    std::vector<std::uint8_t> data(static_cast<std::size_t>(expected) + 1);
    z_stream stream{};
    stream.next_in = const_cast<Bytef*>(bytes.data());  // zlib's own signature; it does not write there
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = data.data();
    stream.avail_out = static_cast<uInt>(data.size());
    const int opened = inflateInit(&stream);
    if (opened != Z_OK) {
        return Error{opened == Z_MEM_ERROR ? codes::out_of_memory : codes::internal, "zlib could not be set up."};
    }
    const int ended = inflate(&stream, Z_FINISH);
    const std::size_t found = data.size() - stream.avail_out;
    const std::size_t left = stream.avail_in;
    inflateEnd(&stream);
    if (found > expected) {
        return Error{codes::invalid_value, "The deflated mask holds more bytes than its pixels take."};
    }
    if (ended != Z_STREAM_END) {
        return Error{codes::invalid_value, "The deflated mask is broken, or stops before its end."};
    }
    if (left > 0) {
        return Error{codes::invalid_value, "Bytes follow the end of the deflated mask."};
    }
    data.resize(found);
    return decode(Bytes::borrow(data.data(), data.size()), width, height, limits);
}

#endif

}  // namespace maskbus::bits
