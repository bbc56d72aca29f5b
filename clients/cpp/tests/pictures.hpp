#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

#include "maskbus/binary_mask.hpp"

/// Masks for tests, drawn as rows of # and ., or at random.
namespace pictures {

inline maskbus::BinaryMask drawn(std::initializer_list<std::string_view> rows) {
    maskbus::BinaryMask mask;
    for (const std::string_view row : rows) {
        mask.width = static_cast<std::uint32_t>(row.size());
        ++mask.height;
        for (const char pixel : row) {
            mask.pixels.push_back(pixel == '#' ? 255 : 0);
        }
    }
    return mask;
}

/// `wanted` of 256 pixels are object, in streaks.
inline maskbus::BinaryMask random(std::mt19937& numbers, std::uint32_t width, std::uint32_t height, unsigned wanted) {
    maskbus::BinaryMask mask{width, height, {}};
    bool object = false;
    for (std::uint64_t i = 0; i < std::uint64_t{width} * height; ++i) {
        if (numbers() % 3 == 0) {
            object = numbers() % 256 < wanted;
        }
        mask.pixels.push_back(object ? 255 : 0);
    }
    return mask;
}

}  // namespace pictures

namespace maskbus {

inline bool operator==(const BinaryMask& one, const BinaryMask& other) {
    return one.width == other.width && one.height == other.height && one.pixels == other.pixels;
}

}  // namespace maskbus
