#include "maskbus/polygon.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "pictures.hpp"

namespace polygon = maskbus::polygon;
using Rings = std::vector<std::vector<double>>;

namespace {

/// Tell by a ray to the right whether a point is in a ring, by the even-odd rule.
bool inside(const std::vector<double>& ring, double x, double y) {
    bool odd = false;
    const std::size_t points = ring.size() / 2;
    for (std::size_t i = 0, j = points - 1; i < points; j = i++) {
        const double x0 = ring[2 * i];
        const double y0 = ring[2 * i + 1];
        const double x1 = ring[2 * j];
        const double y1 = ring[2 * j + 1];
        if ((y0 > y) != (y1 > y) && x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)) {
            odd = !odd;
        }
    }
    return odd;
}

std::string refused(const Rings& rings, std::uint32_t width = 5, std::uint32_t height = 3) {
    const auto found = polygon::decode(rings, width, height);
    return found ? "" : found.error().code;
}

}  // namespace

TEST_CASE("a ring around pixels holds these pixels") {
    const auto found = polygon::decode({{1, 0, 3, 0, 3, 2, 1, 2}}, 5, 3);
    REQUIRE(found);
    CHECK(*found == pictures::drawn({".##..", ".##..", "....."}));
}

TEST_CASE("a hole is joined by a cut of no width, and rings are a union") {
    const auto found = polygon::decode(
        {{0, 0, 5, 0, 5, 5, 0, 5, 0, 3, 1, 3, 1, 4, 4, 4, 4, 1, 1, 1, 1, 3, 0, 3}, {3, 3, 5, 3, 5, 5, 3, 5}}, 5, 5);
    REQUIRE(found);
    CHECK(*found == pictures::drawn({"#####", "#...#", "#...#", "#..##", "#####"}));
}

TEST_CASE("no rings are an empty mask, and what lies outside is cut off") {
    CHECK(*polygon::decode({}, 2, 2) == pictures::drawn({"..", ".."}));
    CHECK(*polygon::decode({{-9, -9, 99, -9, 99, 99, -9, 99}}, 3, 2) == pictures::drawn({"###", "###"}));
    CHECK(*polygon::decode({{7, 0, 9, 0, 9, 2, 7, 2}}, 3, 2) == pictures::drawn({"...", "..."}));
}

TEST_CASE("rings at random hold the pixels whose centres are in one of them") {
    std::mt19937 numbers(5);
    std::uniform_real_distribution<double> place(-4, 24);
    for (int round = 0; round < 200; ++round) {
        Rings rings(1 + numbers() % 3);
        for (auto& ring : rings) {
            ring.resize(2 * (3 + numbers() % 8));
            for (double& value : ring) {
                value = place(numbers);
            }
        }
        const auto found = polygon::decode(rings, 20, 17);
        REQUIRE(found);
        for (std::uint32_t y = 0; y < 17; ++y) {
            for (std::uint32_t x = 0; x < 20; ++x) {
                bool wanted = false;
                for (const auto& ring : rings) {
                    wanted = wanted || inside(ring, x + 0.5, y + 0.5);
                }
                REQUIRE(found->at(x, y) == wanted);
            }
        }
    }
}

TEST_CASE("what is no ring is refused") {
    CHECK(refused({{}}) == "invalid_value");
    CHECK(refused({{0, 0, 1, 1}}) == "invalid_value");
    CHECK(refused({{0, 0, 1, 0, 1, 1, 0}}) == "invalid_value");
    CHECK(refused({{0, 0, 1, 0, 1, std::numeric_limits<double>::quiet_NaN()}}) == "invalid_value");
    CHECK(refused({{0, 0, 1, 0, 1, std::numeric_limits<double>::infinity()}}) == "invalid_value");
    CHECK(refused({{0, 0, 1, 0, 1, 1e300}}) == "invalid_value");
    CHECK(refused({{0, 0, 1, 0, 1, 1}}).empty());
}

TEST_CASE("the work is bounded by the picture") {
    maskbus::Limits limits;
    limits.pixels = 14;
    CHECK(polygon::decode({}, 5, 3, limits).error().code == "too_large");
    CHECK(refused({}, 0, 3) == "invalid_value");
    CHECK(refused({{0, 0, 1, 0, 1, 1}}, 0xFFFFFFFF, 0xFFFFFFFF) == "too_large");
    // Rings over rings: each crosses all columns twice.
    const Rings few(50, {0, 0, 5, 0, 5, 3, 0, 3});
    CHECK(refused(few).empty());
    const Rings many(2000, {0, 0, 2000, 0, 2000, 3, 0, 3});
    CHECK(refused(many, 2000, 3) == "invalid_value");
}
