#include "maskbus/detail/pending_frames.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using maskbus::Error;
using maskbus::Result;
using maskbus::detail::PendingFrames;

namespace {

/// Writes down what is said of which frame: its name, and the error's code.
struct Log {
    [[nodiscard]] PendingFrames::Taken of(const std::string& name) {
        return [this, name](const Result<void>& news) { said.push_back(name + (news ? "" : " " + news.error().code)); };
    }

    std::vector<std::string> said;
};

using Said = std::vector<std::string>;

}  // namespace

TEST_CASE("pending frames: each is told of once") {
    Log log;
    PendingFrames pending;
    pending.add("a", log.of("a"), 0);
    pending.add("b", log.of("b"), 0);
    pending.told("x", {});
    pending.told("", {});
    CHECK(log.said.empty());
    pending.told("a", {});
    pending.told("a", {});
    pending.told("b", Error{"invalid_value", "No."});
    CHECK(log.said == Said{"a", "b invalid_value"});
}

TEST_CASE("pending frames: those before one that is told of were lost") {
    Log log;
    PendingFrames pending;
    for (const char* name : {"a", "b", "c", "d"}) {
        pending.add(name, log.of(name), 0);
    }
    pending.told("c", {});
    CHECK(log.said == Said{"a closed", "b closed", "c"});
    pending.end();
    CHECK(log.said.back() == "d closed");
    pending.end();
    CHECK(log.said.size() == 4);
}

TEST_CASE("pending frames: nothing more comes of what was sent before the stream was opened again") {
    Log log;
    {
        PendingFrames pending;
        pending.add("a", log.of("a"), 0);
        pending.add("b", log.of("b"), 1);
        pending.add("c", log.of("c"), 2);
        pending.opened(2);
        CHECK(log.said == Said{"a closed", "b closed"});
        pending.opened(2);
        CHECK(log.said.size() == 2);
    }
    CHECK(log.said.back() == "c closed");
}
