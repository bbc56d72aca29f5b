#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "maskbus/binary_mask.hpp"
#include "maskbus/error.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

namespace maskbus::detail {

inline std::uint64_t pixels_of(std::uint32_t width, std::uint32_t height) noexcept {
    return std::uint64_t{width} * height;
}

/// Return the bytes that a mask takes when its bits are packed.
inline std::uint64_t packed_bytes(std::uint32_t width, std::uint32_t height) noexcept {
    return (std::uint64_t{width} + 7) / 8 * height;
}

/// Return a mask without object pixels, if it may be that large. Errors: `invalid_value`, `too_large`.
inline Result<BinaryMask> blank_mask(std::uint32_t width, std::uint32_t height, const Limits& limits) {
    if (width == 0 || height == 0) {
        return Error{codes::invalid_value, "A mask has one pixel at least."};
    }
    if (pixels_of(width, height) > limits.pixels) {
        return Error{codes::too_large, "The mask has more than " + std::to_string(limits.pixels) + " pixels."};
    }
    BinaryMask mask{width, height, {}};
    mask.pixels.resize(static_cast<std::size_t>(width) * height);
    return mask;
}

/// Return the complaint about a mask whose bytes are of another number than its pixels need.
inline Error wrong_size(std::uint64_t expected, std::uint64_t found) {
    return {codes::invalid_value,
            "The mask takes " + std::to_string(expected) + " bytes, not " + std::to_string(found) + "."};
}

}  // namespace maskbus::detail
