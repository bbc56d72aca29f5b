#include "maskbus/rle.hpp"

#include <doctest/doctest.h>

#include <string>

#include "pictures.hpp"

namespace rle = maskbus::rle;

namespace {

std::string refused(std::string_view counts, std::uint32_t width, std::uint32_t height) {
    const auto found = rle::decode(counts, width, height);
    CHECK(rle::check(counts, width, height).ok() == found.ok());
    return found ? "" : found.error().code;
}

}  // namespace

TEST_CASE("the specification's example") {
    const auto mask = pictures::drawn({"##", ".#", ".#"});
    CHECK(rle::encode(mask) == "0122");
    const auto found = rle::decode("0122", 2, 3);
    REQUIRE(found);
    CHECK(*found == mask);
}

TEST_CASE("runs that begin and end at the sides") {
    for (const auto& mask :
         {pictures::drawn({"..", ".."}), pictures::drawn({"##", "##"}), pictures::drawn({"#.", "#."}),
          pictures::drawn({".#", ".#"}), pictures::drawn({"#.#", "#.#"}), pictures::drawn({".##", "##."}),
          pictures::drawn({"#"}), pictures::drawn({"."}), pictures::drawn({"#.#.#"}), pictures::drawn({"####", "...."}),
          pictures::drawn({"....", "####"})}) {
        const auto found = rle::decode(rle::encode(mask), mask.width, mask.height);
        REQUIRE(found);
        CHECK(*found == mask);
    }
}

TEST_CASE("masks come back as they were") {
    std::mt19937 numbers(4);
    for (unsigned i = 0; i < 600; ++i) {
        const auto width = static_cast<std::uint32_t>(1 + numbers() % 40);
        const auto height = static_cast<std::uint32_t>(1 + numbers() % 40);
        const auto mask = pictures::random(numbers, width, height, i % 257);
        const auto found = rle::decode(rle::encode(mask), mask.width, mask.height);
        REQUIRE(found);
        CHECK(*found == mask);
    }
}

TEST_CASE("a run of no pixels changes nothing") {
    // 1 off, 1 on, 0 off, 1 on, 1 off; the fourth and fifth are differences: 0 and 1.
    const auto found = rle::decode("11001", 4, 1);
    REQUIRE(found);
    CHECK(*found == pictures::drawn({".##."}));
}

TEST_CASE("what are no runs of that many pixels is refused") {
    CHECK(refused("", 2, 2) == "invalid_value");
    CHECK(refused("0", 2, 2) == "invalid_value");   // nothing at all
    CHECK(refused("5", 2, 2) == "invalid_value");   // too many
    CHECK(refused("3", 2, 2) == "invalid_value");   // too few
    CHECK(refused("O", 2, 2) == "invalid_value");   // negative
    CHECK(refused("P", 2, 2) == "invalid_value");   // stops midway
    CHECK(refused("!4", 2, 2) == "invalid_value");  // below the alphabet
    CHECK(refused("p4", 2, 2) == "invalid_value");  // above
    CHECK(refused("\xff", 2, 2) == "invalid_value");
    CHECK(refused("ooooooooooooooo0", 2, 2) == "invalid_value");
    CHECK(refused("PPPPPPP4", 2, 2) == "invalid_value");  // eight groups
    CHECK(refused("00000000000000000000000000000004", 2, 2) == "invalid_value");
    CHECK(refused(std::string(100'000, '0') + "4", 2, 2) == "invalid_value");
    CHECK(refused("4", 2, 2).empty());
    CHECK(refused("04", 2, 2).empty());
}

TEST_CASE("a short text makes no large mask") {
    maskbus::Limits limits;
    limits.pixels = 99;
    CHECK(rle::decode("T3", 10, 10).ok());
    CHECK(rle::decode("T3", 10, 10, limits).error().code == "too_large");
    CHECK(rle::decode("T3", 0xFFFFFFFF, 0xFFFFFFFF).error().code == "too_large");
    CHECK(rle::decode("0", 0, 7).error().code == "invalid_value");
}
