#pragma once

#include <cstddef>
#include <cstdint>

namespace maskbus::shm {

/// Return the CRC-32 of `size` bytes: zlib's own function with MASKBUS_WITH_ZLIB, which is about twice as fast as
/// `crc32`.
[[nodiscard]] std::uint32_t checksum(const std::uint8_t* data, std::size_t size) noexcept;

}  // namespace maskbus::shm
