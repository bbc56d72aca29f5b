#include "maskbus/base64.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

namespace base64 = maskbus::base64;

namespace {

std::string decoded(std::string_view text) {
    const auto bytes = base64::decode(text, 1000);
    return bytes ? std::string(bytes->begin(), bytes->end()) : bytes.error().code;
}

}  // namespace

TEST_CASE("RFC 4648's examples") {
    CHECK(decoded("").empty());
    CHECK(decoded("Zg==") == "f");
    CHECK(decoded("Zm8=") == "fo");
    CHECK(decoded("Zm9v") == "foo");
    CHECK(decoded("Zm9vYmFy") == "foobar");
}

TEST_CASE("white space is skipped, and a data-URL's announcement") {
    CHECK(decoded(" Zm9v\r\n\tYmFy\n") == "foobar");
    CHECK(decoded("data:;base64,Zm9v") == "foo");
    CHECK(decoded("  DATA:image/png;charset=x;Base64,Zm9v") == "foo");
}

TEST_CASE("what is no Base64 is refused") {
    for (const char* wrong : {"Zg", "Zg=", "Zg===", "Z===", "====", "=Zg=", "Zg=a", "Zm9v=Zg=", "Zm-v", "Zm_v",
                              "Zm9v\x80", "data:image/png,Zm9v", "data:base64,Zm9v", "data:;base64"}) {
        CHECK_MESSAGE(decoded(wrong) == "invalid_field", wrong);
    }
    CHECK(decoded("data:" + std::string(300, 'a') + ";base64,Zm9v") == "invalid_field");
}

TEST_CASE("no more is decoded than allowed") {
    CHECK(base64::decode("Zm9v", 3));
    CHECK(base64::decode("Zm9v", 2).error().code == "too_large");
    CHECK(base64::decode("Zm8=", 2));
    CHECK(base64::decode(std::string(4000, 'A'), 100).error().code == "too_large");
}

TEST_CASE("bytes come back as they were") {
    std::mt19937 random(1);
    for (std::size_t size = 0; size < 200; ++size) {
        std::vector<std::uint8_t> bytes(size);
        for (std::uint8_t& byte : bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        const auto back = base64::decode(base64::encode(bytes.data(), bytes.size()), 1000);
        REQUIRE(back);
        CHECK(*back == bytes);
    }
}
