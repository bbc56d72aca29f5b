#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "maskbus/bits.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/mask.hpp"
#include "maskbus/names.hpp"
#include "maskbus/polygon.hpp"
#include "maskbus/rle.hpp"

namespace maskbus {

namespace detail {

/// Return the pixels of raw bytes; every byte but 0 is object.
inline Result<BinaryMask> decode_raw(const Bytes& bytes, std::uint32_t width, std::uint32_t height,
                                     const Limits& limits) {
    if (bytes.size() != pixels_of(width, height)) {
        return wrong_size(pixels_of(width, height), bytes.size());
    }
    auto mask = blank_mask(width, height, limits);
    if (mask) {
        std::transform(bytes.begin(), bytes.end(), mask->pixels.begin(),
                       [](std::uint8_t pixel) { return static_cast<std::uint8_t>(pixel != 0 ? 255 : 0); });
    }
    return mask;
}

/// Return what can be seen of mask `index` in a label map of `count` masks.
inline Result<BinaryMask> decode_labels(const Tensor& labels, std::size_t index, std::size_t count,
                                        const Limits& limits) {
    auto mask = blank_mask(labels.shape[1], labels.shape[0], limits);
    if (!mask) {
        return mask;
    }
    std::size_t highest = 0;
    const std::size_t width = size_of(labels.dtype);
    const std::uint8_t* from = labels.bytes.data();
    for (std::uint8_t& pixel : mask->pixels) {
        const std::size_t number = width == 1 ? from[0] : static_cast<std::size_t>(from[0] | from[1] << 8);
        highest = std::max(highest, number);
        pixel = number == index + 1 ? 255 : 0;
        from += width;
    }
    if (highest > count) {
        return Error{codes::invalid_value,
                     "The label map names mask " + std::to_string(highest) + " of " + std::to_string(count) + "."};
    }
    return mask;
}

inline Error not_there(MaskEncoding encoding) {
    return {codes::no_mask, "The answer does not hold this mask as " + std::string(name_of(encoding)) + "."};
}

#ifdef MASKBUS_WITH_ZLIB
inline constexpr bool with_zlib = true;
#else
inline constexpr bool with_zlib = false;
#endif

inline Result<BinaryMask> decode_bits_zlib([[maybe_unused]] const Bytes& bytes, [[maybe_unused]] std::uint32_t width,
                                           [[maybe_unused]] std::uint32_t height,
                                           [[maybe_unused]] const Limits& limits) {
#ifdef MASKBUS_WITH_ZLIB
    return bits::decode_zlib(bytes, width, height, limits);
#else
    return Error{codes::no_mask,
                 "The mask is bits+zlib, which is read only where MASKBUS_WITH_ZLIB is defined before maskbus is "
                 "included and the program is linked with zlib. Define it, or ask for \"bits\"."};
#endif
}

/// Decode one encoding; errors are those of the codecs.
inline Result<BinaryMask> decode_as(MaskEncoding encoding, const MasksReply& reply, std::size_t index,
                                    const Limits& limits) {
    const MaskFields& mask = reply.masks[index];
    const std::uint32_t width = reply.width;
    const std::uint32_t height = reply.height;
    switch (encoding) {
        case MaskEncoding::raw:
            return mask.raw ? decode_raw(*mask.raw, width, height, limits) : not_there(encoding);
        case MaskEncoding::bits:
            return mask.bits ? bits::decode(*mask.bits, width, height, limits) : not_there(encoding);
        case MaskEncoding::bits_zlib:
            return mask.bits_zlib ? decode_bits_zlib(*mask.bits_zlib, width, height, limits) : not_there(encoding);
        case MaskEncoding::rle:
            return mask.rle ? rle::decode(mask.rle->text(), width, height, limits) : not_there(encoding);
        case MaskEncoding::polygon:
            return mask.polygon ? polygon::decode(*mask.polygon, width, height, limits) : not_there(encoding);
        case MaskEncoding::labels:
            return reply.labels ? decode_labels(*reply.labels, index, reply.masks.size(), limits) : not_there(encoding);
        case MaskEncoding::png:
        case MaskEncoding::png_base64:
        case MaskEncoding::logits:
        case MaskEncoding::overlay:
            break;
    }
    return Error{codes::no_mask,
                 "This client makes no pixels of " + std::string(name_of(encoding)) + "; ask for \"bits\"."};
}

}  // namespace detail

inline Result<BinaryMask> Mask::decode(MaskEncoding encoding, const Limits& limits) const {
    auto mask = detail::decode_as(encoding, *reply_, index_, limits);
    if (!mask && mask.error().code == codes::invalid_value) {
        const std::string where = "masks[" + std::to_string(index_) + "]." + std::string(name_of(encoding));
        return Error{codes::protocol, "The answer cannot be read: " + mask.error().message,
                     encoding == MaskEncoding::labels ? "labels" : where};
    }
    return mask;
}

inline Result<BinaryMask> Mask::decode(const Limits& limits) const {
    const detail::MaskFields& mask = fields();
    if (mask.raw) {
        return decode(MaskEncoding::raw, limits);
    }
    if (mask.bits) {
        return decode(MaskEncoding::bits, limits);
    }
    if (mask.bits_zlib && detail::with_zlib) {
        return decode(MaskEncoding::bits_zlib, limits);
    }
    if (mask.rle) {
        return decode(MaskEncoding::rle, limits);
    }
    if (reply_->labels) {
        return decode(MaskEncoding::labels, limits);
    }
    if (mask.polygon) {
        return decode(MaskEncoding::polygon, limits);
    }
    if (mask.bits_zlib) {
        return decode(MaskEncoding::bits_zlib, limits);
    }
    return Error{codes::no_mask, "The answer holds no pixels of this mask that can be read here: ask for \"bits\"."};
}

inline Result<MaskPrompt> Mask::to_prompt() const {
    const detail::MaskFields& mask = fields();
    if (mask.bits) {
        return MaskPrompt{MaskEncoding::bits, *mask.bits, {}};
    }
    if (mask.bits_zlib) {
        return MaskPrompt{MaskEncoding::bits_zlib, *mask.bits_zlib, {}};
    }
    if (mask.png) {
        return MaskPrompt{MaskEncoding::png, *mask.png, {}};
    }
    if (mask.rle) {
        return MaskPrompt{MaskEncoding::rle, {}, std::string(mask.rle->text())};
    }
    if (mask.raw) {
        return MaskPrompt{MaskEncoding::raw, *mask.raw, {}};
    }
    auto pixels = decode();
    if (!pixels) {
        return std::move(pixels).error();
    }
    return MaskPrompt{MaskEncoding::bits, Bytes::own(bits::encode(*pixels)), {}};
}

inline Result<LogitsPrompt> Mask::to_logits_prompt() const {
    const std::optional<Tensor>& tensor = logits();
    if (!tensor) {
        return detail::not_there(MaskEncoding::logits);
    }
    return LogitsPrompt{{static_cast<int>(tensor->shape[0]), static_cast<int>(tensor->shape[1])}, tensor->bytes};
}

}  // namespace maskbus
