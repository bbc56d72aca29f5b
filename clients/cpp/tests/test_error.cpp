#include "maskbus/error.hpp"

#include <doctest/doctest.h>

#include <string>

using maskbus::Error;
namespace codes = maskbus::codes;

TEST_CASE("only what may pass by itself is worth another try") {
    CHECK(Error{codes::busy, "Full."}.retryable());
    CHECK(Error{codes::shutting_down, "Stopping."}.retryable());
    CHECK_FALSE(Error{codes::worker_died, "It ended."}.retryable());
    CHECK_FALSE(Error{"a_later_code", "Who knows."}.retryable());
}

TEST_CASE("an exception says all that the error does") {
    const maskbus::Exception told(Error{codes::invalid_value, "Outside.", "prompt.points[3]"});
    CHECK(std::string(told.what()) == "invalid_value: Outside. (prompt.points[3])");
    CHECK(told.error().path == "prompt.points[3]");
    CHECK(std::string(maskbus::Exception(Error{codes::busy, "Full."}).what()) == "busy: Full.");
}
