#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace maskbus::shm {
namespace detail {

/// Tables of the polynomial of zlib: row k is a byte with k zero bytes after it.
inline constexpr auto crc_tables = [] {
    std::array<std::array<std::uint32_t, 256>, 16> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1U) != 0 ? value >> 1U ^ 0xedb88320U : value >> 1U;
        }
        tables[0][byte] = value;
    }
    for (std::size_t row = 1; row < tables.size(); ++row) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t before = tables[row - 1][byte];
            tables[row][byte] = before >> 8U ^ tables[0][before & 0xffU];
        }
    }
    return tables;
}();

}  // namespace detail

/// Return the CRC-32 of `size` bytes, that of zlib.
///
/// Sixteen bytes a step, each looked up on its own: steps do not wait for one another's tables as single bytes would.
[[nodiscard]] constexpr std::uint32_t crc32(const std::uint8_t* data, std::size_t size) noexcept {
    const auto& tables = detail::crc_tables;
    std::uint32_t crc = 0xffffffffU;
    for (; size >= 16; data += 16, size -= 16) {
        std::uint32_t next = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            next ^= tables[15 - i][(data[i] ^ crc >> (8 * i)) & 0xffU];
        }
        for (std::size_t i = 4; i < 16; ++i) {
            next ^= tables[15 - i][data[i]];
        }
        crc = next;
    }
    for (; size > 0; ++data, --size) {
        crc = crc >> 8U ^ tables[0][(crc ^ *data) & 0xffU];
    }
    return ~crc;
}

}  // namespace maskbus::shm
