#if !defined(_WIN32)

#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "fake_child.hpp"

using maskbus::Child;
using namespace std::chrono_literals;

namespace {

std::string nothing(const std::string&) {
    return {};
}

maskbus::CallOptions within(std::chrono::milliseconds time) {
    maskbus::CallOptions options;
    options.deadline = time;
    return options;
}

bool exists(std::int64_t pid) {
    return kill(static_cast<pid_t>(pid), 0) == 0;
}

}  // namespace

TEST_CASE("a call and its reply") {
    fake::Child fake([](const std::string& id) { return fake::pong(id, "here"); });
    Child child = Child::start(fake.options()).value_or_throw();
    CHECK(child.is_alive());
    for (int i = 0; i < 3; ++i) {
        CHECK(child.ping().value_or_throw().node == "here");
    }
    const std::int64_t pid = child.pid();
    Child moved = std::move(child);
    CHECK(moved.ping());
    CHECK(exists(pid));
    moved = Child::start(fake.options()).value_or_throw();
    CHECK_FALSE(exists(pid));
}

TEST_CASE("the object's end is the child's") {
    fake::Child fake(nothing);
    std::int64_t pid = 0;
    {
        const Child child = Child::start(fake.options()).value_or_throw();
        pid = child.pid();
        CHECK(exists(pid));
    }
    CHECK_FALSE(exists(pid));
}

TEST_CASE("everything of an image, without progress") {
    fake::Child fake([](const std::string& id) { return fake::error_message(id, "unsupported_prompt"); });
    Child child = Child::start(fake.options()).value_or_throw();
    const std::vector<std::uint8_t> pixels(3);
    const auto image = maskbus::ImageView::raw(pixels.data(), 1, 1, maskbus::ImageEncoding::rgb8);
    maskbus::EverythingOptions options;
    CHECK(child.everything(image, options).error().code == "unsupported_prompt");
    options.progress = [](const maskbus::Progress&) {};
    CHECK(child.everything(image, options).error().code == "invalid_argument");
}

TEST_CASE("errors are the node's, also those without an id") {
    fake::Child fake([](const std::string&) { return fake::error_message("", "malformed"); });
    Child child = Child::start(fake.options()).value_or_throw();
    const auto reply = child.ping();
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == "malformed");
}

TEST_CASE("a reply with another id is thrown away") {
    fake::Child fake([](const std::string&) { return fake::pong("somebody else's"); });
    Child child = Child::start(fake.options()).value_or_throw();
    const auto reply = child.ping(within(100ms));
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == "deadline_exceeded");
}

TEST_CASE("no answer, no hanging, and the next call waits for the slot") {
    std::promise<void> go;
    std::shared_future<void> gate = go.get_future().share();
    std::atomic<int> count{0};
    fake::Child fake([&](const std::string& id) {
        if (count++ == 0) {
            gate.wait();
            return fake::pong(id, "late");
        }
        return fake::pong(id, "in time");
    });
    Child child = Child::start(fake.options()).value_or_throw();
    const auto begin = std::chrono::steady_clock::now();
    const auto first = child.ping(within(50ms));
    REQUIRE_FALSE(first);
    CHECK(first.error().code == "deadline_exceeded");
    const auto second = child.ping(within(50ms));  // its request cannot even be written
    REQUIRE_FALSE(second);
    CHECK(second.error().code == "deadline_exceeded");
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
    CHECK(fake.rings == 1);
    std::thread opener([&] { go.set_value(); });
    CHECK(child.ping().value_or_throw().node == "in time");
    opener.join();
}

TEST_CASE("a late reply that nobody has waited for is not taken for the next one") {
    std::atomic<int> count{0};
    fake::Child fake([&](const std::string& id) {
        if (count++ == 0) {
            std::this_thread::sleep_for(60ms);  // past the first call's deadline
            return fake::pong(id, "late");
        }
        return fake::pong(id, "in time");
    });
    Child child = Child::start(fake.options()).value_or_throw();
    CHECK_FALSE(child.ping(within(20ms)));
    while (!fake.is_free()) {
        std::this_thread::yield();
    }
    CHECK(child.ping().value_or_throw().node == "in time");
}

TEST_CASE("the child's end is noticed at once, and another one can be started") {
    std::atomic<pid_t> victim{0};
    std::atomic<bool> deadly{true};
    fake::Child fake([&](const std::string& id) {
        if (!deadly) {
            return fake::pong(id);
        }
        kill(victim, SIGKILL);
        return std::string();
    });
    Child child = Child::start(fake.options()).value_or_throw();
    victim = static_cast<pid_t>(child.pid());
    const auto dead = child.ping();
    REQUIRE_FALSE(dead);
    CHECK(dead.error().code == "child_died");
    CHECK(dead.error().message == "The child was ended by signal 9.");
    CHECK_FALSE(child.is_alive());
    const auto again = child.ping();
    REQUIRE_FALSE(again);
    CHECK(again.error().code == "child_died");
    deadly = false;
    CHECK(child.restart());
    CHECK(child.is_alive());
    CHECK(child.ping());
}

TEST_CASE("threads take turns") {
    fake::Child fake([](const std::string& id) { return fake::pong(id, id); });
    Child child = Child::start(fake.options()).value_or_throw();
    std::vector<std::thread> threads;
    std::atomic<int> fine{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 25; ++n) {
                fine += child.ping().ok() ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(fine == 100);
}

TEST_CASE("a turn that does not come in time") {
    fake::Child fake(nothing);
    Child child = Child::start(fake.options()).value_or_throw();
    std::thread first([&] { CHECK_FALSE(child.ping(within(500ms))); });
    while (fake.rings == 0) {
        std::this_thread::yield();
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto second = child.ping(within(20ms));
    CHECK(std::chrono::steady_clock::now() - begin < 400ms);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == "deadline_exceeded");
    first.join();
}

TEST_CASE("what is known to be wrong is not sent") {
    fake::Child fake(nothing);
    Child child = Child::start(fake.options()).value_or_throw();
    const std::vector<std::uint8_t> pixels(100 * 100 * 3);
    const auto image = maskbus::ImageView::raw(pixels.data(), 100, 100, maskbus::ImageEncoding::rgb8);
    const auto large = child.segment(image);
    REQUIRE_FALSE(large);
    CHECK(large.error().code == "too_large");
    CHECK(large.error().path == "image");
    maskbus::Prompt outside;
    outside.points = {{100, 3}};
    const auto wrong = child.segment(image, outside);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == "invalid_value");
    CHECK(wrong.error().path == "prompt.points[0]");
    const auto text = child.segment_base64("no *base64*!");
    REQUIRE_FALSE(text);
    CHECK(text.error().code == "invalid_field");
    CHECK(text.error().path == "image.base64");
    const auto file = child.segment_base64("data:image/png;base64,AAAA");
    REQUIRE_FALSE(file);
    CHECK(file.error().code == "invalid_image");
    CHECK(child.ping(within(-1ms)).error().code == "invalid_value");
    CHECK(fake.rings == 0);
    CHECK(fake.file.entry(0).generation == 0);
}

TEST_CASE("a child that does not come up") {
    fake::Child fake(nothing);
    const auto start = [&](const std::string& script, std::chrono::milliseconds patience = 20s) {
        maskbus::ChildOptions options = fake.options(script);
        options.start_timeout = patience;
        auto child = Child::start(options);
        return child ? std::string("started") : child.error().code + ": " + child.error().message;
    };
    CHECK(start("exit 4") == "child_died: The child exited with code 4 before it was ready.");
    CHECK(start("exec sleep 600", 50ms) == "child_died: The child was not ready in time.");
    CHECK(start("echo hello; exec cat").rfind("protocol: ", 0) == 0);
    CHECK(start(R"(echo '{"ready":true,"mapping":"/nowhere","bytes":1,"generation":1,"bell":"b","pid":1}'; exec cat)")
              .rfind("no_shared_memory: ", 0) == 0);
    CHECK(start("printf '%s\\n' \"$0\" | sed 's/\"generation\": [0-9]*/\"generation\": 7/'; exec cat")
              .rfind("protocol: ", 0) == 0);
    CHECK(start("printf '%s\\n' \"$0\" | sed 's#tcp://127.*[0-9]\"#nonsense\"#'; exec cat").rfind("protocol: ", 0) ==
          0);
    CHECK(start("printf '%s\\n' \"$0\" | sed 's#tcp://127.*[0-9]\"#events:x\"#'; exec cat").rfind("protocol: ", 0) ==
          0);
    CHECK(start("printf '%s\\n' \"$0\"; exec cat") == "started");
}

TEST_CASE("a child that closes its output and lives on is still looked after") {
    fake::Child fake([](const std::string& id) { return fake::pong(id); });
    Child child = Child::start(fake.options("printf '%s\\n' \"$0\"; exec cat >/dev/null")).value_or_throw();
    CHECK(child.ping());
    kill(static_cast<pid_t>(child.pid()), SIGKILL);
    while (child.is_alive()) {
        std::this_thread::yield();
    }
    const auto dead = child.ping();
    REQUIRE_FALSE(dead);
    CHECK(dead.error().code == "child_died");
}

#endif
