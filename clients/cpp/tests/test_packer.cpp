#include "maskbus/detail/packer.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <msgpack.hpp>
#include <string>
#include <vector>

using maskbus::detail::MapWriter;
using maskbus::detail::Packer;

namespace {

template <class T>
std::vector<std::uint8_t> packed(const T& value) {
    Packer packer;
    packer.write(value);
    return packer.take();
}

using Data = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("ints are as short as they can be") {
    CHECK(packed(std::int64_t{0}) == Data{0x00});
    CHECK(packed(std::int64_t{127}) == Data{0x7F});
    CHECK(packed(std::int64_t{128}) == Data{0xCC, 0x80});
    CHECK(packed(std::int64_t{256}) == Data{0xCD, 0x01, 0x00});
    CHECK(packed(std::int64_t{65536}) == Data{0xCE, 0x00, 0x01, 0x00, 0x00});
    CHECK(packed(std::int64_t{-1}) == Data{0xFF});
    CHECK(packed(std::int64_t{-32}) == Data{0xE0});
    CHECK(packed(std::int64_t{-33}) == Data{0xD0, 0xDF});
    CHECK(packed(std::numeric_limits<std::int64_t>::min()) == Data{0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0});
    CHECK(packed(std::numeric_limits<std::int64_t>::max()) ==
          Data{0xCF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF});
}

TEST_CASE("floats are floats of 64 bits, whole ones too") {
    CHECK(packed(2.0) == Data{0xCB, 0x40, 0, 0, 0, 0, 0, 0, 0});
    CHECK(packed(-0.5) == Data{0xCB, 0xBF, 0xE0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a map counts its entries, few or many") {
    for (const std::size_t count : {0U, 1U, 15U, 16U, 17U, 300U}) {
        Packer packer;
        MapWriter map(packer);
        for (std::size_t i = 0; i < count; ++i) {
            map.field(std::to_string(i), true);
        }
        map.end();
        const Data bytes = packer.take();
        const auto handle = msgpack::unpack(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        REQUIRE(handle->type == msgpack::type::MAP);
        CHECK(handle->via.map.size == count);
        CHECK(bytes[0] == (count < 16 ? 0x80 + count : 0xDE));
    }
}

TEST_CASE("maps within maps") {
    Packer packer;
    MapWriter outer(packer);
    outer.key("inner");
    MapWriter inner(packer);
    for (int i = 0; i < 20; ++i) {
        inner.field("k", std::int64_t{i});
    }
    inner.end();
    outer.field("after", std::string_view("x"));
    outer.end();
    const Data bytes = packer.take();
    const auto handle = msgpack::unpack(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    REQUIRE(handle->via.map.size == 2);
    CHECK(handle->via.map.ptr[0].val.via.map.size == 20);
    CHECK(handle->via.map.ptr[1].val.as<std::string>() == "x");
}
