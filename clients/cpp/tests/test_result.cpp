#include "maskbus/result.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>

using maskbus::Error;
using maskbus::Result;

TEST_CASE("a result has a value or an error") {
    Result<std::string> good = std::string("there");
    REQUIRE(good.ok());
    CHECK(static_cast<bool>(good));
    CHECK(*good == "there");
    CHECK(good->size() == 5);
    CHECK(good.value() == "there");
    good.value() += "!";
    CHECK(std::move(good).value_or_throw() == "there!");

    const Result<std::string> bad = Error{"busy", "Full."};
    CHECK_FALSE(bad);
    CHECK(bad.error().code == "busy");
}

TEST_CASE("an error is thrown only where that is asked for") {
    CHECK_THROWS_AS(static_cast<void>(Result<int>(Error{"busy", "Full."}).value_or_throw()), maskbus::Exception);
    CHECK_THROWS_AS(Result<void>(Error{"busy", "Full."}).value_or_throw(), maskbus::Exception);
    CHECK_NOTHROW(Result<void>().value_or_throw());
    CHECK(Result<void>().ok());
    CHECK(Result<void>(Error{"busy", "Full."}).error().message == "Full.");
}

TEST_CASE("what can only be moved is moved out") {
    Result<std::unique_ptr<int>> held = std::make_unique<int>(7);
    const std::unique_ptr<int> taken = *std::move(held);
    CHECK(*taken == 7);
    static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
}
