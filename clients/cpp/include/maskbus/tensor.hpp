#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "maskbus/bytes.hpp"

namespace maskbus {

enum class DataType { float32, uint8, uint16 };

/// Return the bytes of one element.
[[nodiscard]] constexpr std::size_t size_of(DataType type) noexcept {
    return type == DataType::float32 ? 4 : type == DataType::uint16 ? 2 : 1;
}

/// An array of two axes: height × width elements, little endian, row by row.
struct Tensor {
    /// Height and width.
    std::array<std::uint32_t, 2> shape = {};
    DataType dtype = DataType::uint8;
    /// Exactly as many as shape and dtype say. Need not be aligned: `at` and `number_at` read them safely.
    Bytes bytes = {};

    /// Return an element, which must lie within, of a float32 array.
    [[nodiscard]] float at(std::uint32_t x, std::uint32_t y) const noexcept {
        const std::uint8_t* first = bytes.data() + 4 * (static_cast<std::size_t>(y) * shape[1] + x);
        const std::uint32_t word = static_cast<std::uint32_t>(first[0]) | static_cast<std::uint32_t>(first[1]) << 8 |
                                   static_cast<std::uint32_t>(first[2]) << 16 |
                                   static_cast<std::uint32_t>(first[3]) << 24;
        float value = 0;
        static_assert(sizeof value == sizeof word);
        std::memcpy(&value, &word, sizeof value);
        return value;
    }

    /// Return an element, which must lie within, of an uint8 or uint16 array.
    [[nodiscard]] std::uint32_t number_at(std::uint32_t x, std::uint32_t y) const noexcept {
        const std::size_t index = static_cast<std::size_t>(y) * shape[1] + x;
        if (dtype == DataType::uint8) {
            return bytes.data()[index];
        }
        return static_cast<std::uint32_t>(bytes.data()[2 * index] | bytes.data()[2 * index + 1] << 8);
    }
};

}  // namespace maskbus
