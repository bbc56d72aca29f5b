#include "maskbus/shm/checksum.hpp"

#if defined(MASKBUS_WITH_ZLIB)
#include <zlib.h>

#include <algorithm>
#else
#include "maskbus/shm/crc32.hpp"
#endif

namespace maskbus::shm {

std::uint32_t checksum(const std::uint8_t* data, std::size_t size) noexcept {
#if defined(MASKBUS_WITH_ZLIB)
    constexpr std::size_t most = std::size_t{1} << 30;  // zlib counts in unsigned int
    uLong crc = ::crc32(0, nullptr, 0);
    while (size > 0) {
        const std::size_t part = std::min(size, most);
        crc = ::crc32(crc, data, static_cast<uInt>(part));
        data += part;
        size -= part;
    }
    return static_cast<std::uint32_t>(crc);
#else
    return crc32(data, size);
#endif
}

}  // namespace maskbus::shm
