#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace maskbus {

/// A mask as pixels.
struct BinaryMask {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    /// height × width bytes, row by row from the top: 0 or 255.
    std::vector<std::uint8_t> pixels = {};

    /// Whether the pixel in column `x` and row `y`, which must lie within, is object.
    [[nodiscard]] bool at(std::uint32_t x, std::uint32_t y) const noexcept {
        return pixels[static_cast<std::size_t>(y) * width + x] != 0;
    }
};

}  // namespace maskbus
