// The static library, linked: the checksum that every CRC-32 gives for these nine digits.
#include <cstdio>

#include "maskbus/shm/checksum.hpp"

int main() {
    const unsigned char digits[] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
    std::printf("%08x\n", static_cast<unsigned>(maskbus::shm::checksum(digits, sizeof digits)));
    return 0;
}
