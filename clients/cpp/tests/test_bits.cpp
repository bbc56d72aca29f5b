#include "maskbus/bits.hpp"

#include <doctest/doctest.h>

#include "pictures.hpp"

using maskbus::Bytes;
namespace bits = maskbus::bits;

TEST_CASE("the leftmost pixel is the highest bit, and rows begin at new bytes") {
    const auto mask = pictures::drawn({"##......#", "........#"});
    CHECK(bits::encode(mask) == std::vector<std::uint8_t>{0xC0, 0x80, 0x00, 0x80});
    const std::uint8_t bytes[] = {0xC0, 0xFF, 0x00, 0x80};  // bits past the last pixel are not looked at
    const auto found = bits::decode(Bytes::borrow(bytes, sizeof bytes), 9, 2);
    REQUIRE(found);
    CHECK(*found == mask);
}

TEST_CASE("masks come back as they were") {
    std::mt19937 numbers(2);
    for (std::uint32_t width = 1; width < 40; ++width) {
        const auto mask = pictures::random(numbers, width, 1 + width % 5, 100);
        const auto found = bits::decode(Bytes::own(bits::encode(mask)), mask.width, mask.height);
        REQUIRE(found);
        CHECK(*found == mask);
    }
}

TEST_CASE("another number of bytes is refused, before pixels are allocated") {
    const std::uint8_t bytes[8] = {};
    const auto code = [&](std::size_t size, std::uint32_t width, std::uint32_t height) {
        return bits::decode(Bytes::borrow(bytes, size), width, height).error().code;
    };
    CHECK(code(3, 9, 2) == "invalid_value");
    CHECK(code(5, 9, 2) == "invalid_value");
    CHECK(code(8, 0xFFFFFFFF, 0xFFFFFFFF) == "invalid_value");
    CHECK(code(0, 0, 5) == "invalid_value");
    CHECK(code(0, 5, 0) == "invalid_value");
    maskbus::Limits limits;
    limits.pixels = 17;
    CHECK(bits::decode(Bytes::borrow(bytes, 4), 9, 2, limits).error().code == "too_large");
}

#ifdef MASKBUS_WITH_ZLIB

namespace {

std::vector<std::uint8_t> deflated(const std::vector<std::uint8_t>& bytes) {
    std::vector<std::uint8_t> stream(compressBound(static_cast<uLong>(bytes.size())));
    uLongf size = static_cast<uLongf>(stream.size());
    REQUIRE(compress(stream.data(), &size, bytes.data(), static_cast<uLong>(bytes.size())) == Z_OK);
    stream.resize(size);
    return stream;
}

}  // namespace

TEST_CASE("deflated masks come back as they were") {
    std::mt19937 numbers(3);
    for (std::uint32_t width = 1; width < 30; ++width) {
        const auto mask = pictures::random(numbers, width, 7, 100);
        const auto found = bits::decode_zlib(Bytes::own(deflated(bits::encode(mask))), width, 7);
        REQUIRE(found);
        CHECK(*found == mask);
    }
}

TEST_CASE("a broken or a wrong stream is refused") {
    const std::vector<std::uint8_t> good = deflated({0xC0, 0x80, 0x00, 0x80});
    const auto code = [](std::vector<std::uint8_t> stream, std::uint32_t height = 2) {
        const auto found = bits::decode_zlib(Bytes::own(std::move(stream)), 9, height);
        return found ? "read" : found.error().code;
    };
    CHECK(code(good) == "read");
    CHECK(code(good, 1) == "invalid_value");
    CHECK(code(good, 3) == "invalid_value");
    CHECK(code({}) == "invalid_value");
    auto cut = good;
    cut.pop_back();
    CHECK(code(cut) == "invalid_value");
    auto longer = good;
    longer.push_back(0);
    CHECK(code(longer) == "invalid_value");
    auto noise = good;
    noise[noise.size() - 1] ^= 1;  // the checksum
    CHECK(code(noise) == "invalid_value");
}

TEST_CASE("a bomb is not let off") {
    // 64 MB of zeros for a mask of 4 bytes, and a mask of more pixels than are allowed.
    const auto bomb = deflated(std::vector<std::uint8_t>(std::size_t{64} << 20));
    const Bytes stream = Bytes::borrow(bomb.data(), bomb.size());
    CHECK(bits::decode_zlib(stream, 9, 2).error().code == "invalid_value");
    CHECK(bits::decode_zlib(stream, 32767, 32767).error().code == "too_large");
    CHECK(bits::decode_zlib(stream, 0xFFFFFFFF, 0xFFFFFFFF).error().code == "too_large");
    CHECK(bits::decode_zlib(stream, 0, 0).error().code == "invalid_value");
}

#endif
