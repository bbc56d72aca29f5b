// Subscriptions: which messages are let through, and how they are handed over.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "picture.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::code_of;
using maskbus::SubscribeOptions;

namespace {

constexpr auto patience = std::chrono::milliseconds(20'000);

SubscribeOptions newest() {
    SubscribeOptions options;
    options.newest = true;
    return options;
}

void heard(fake::Node& node, const std::string& topic) {
    REQUIRE(node.subscribed.get() == "\x01" + topic);
}

}  // namespace

TEST_CASE("topics: one by one, exactly that topic, each once") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::Subscription masks = client.subscribe("cam1").value_or_throw();
    heard(node, "cam1");
    node.publish("cam1", 0);
    node.publish("cam10", 1);
    node.publish("cam1", 2);
    node.publish("cam1", 2, true);
    node.publish("cam1", 3);
    node.publish("cam1", 1);  // a node that was restarted counts from the beginning
    for (const std::int64_t number : {0, 2, 3, 1}) {
        const auto found = masks.next(patience);
        REQUIRE(found.ok());
        CHECK(found->seq() == number);
        CHECK(found->topic() == "cam1");
    }
    CHECK(masks.dropped() == 0);
}

TEST_CASE("topics: a last value is taken once") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::Subscription masks = client.subscribe("a").value_or_throw();
    heard(node, "a");
    node.publish("a", 5, true);
    node.publish("a", 5, true);
    node.publish("a", 6);
    CHECK(masks.next(patience)->retained());
    CHECK(masks.next(patience)->seq() == 6);
}

TEST_CASE("topics: an encoding is a topic of its own") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    SubscribeOptions options;
    options.encoding = maskbus::MaskEncoding::bits_zlib;
    maskbus::Subscription masks = client.subscribe("cam1", options).value_or_throw();
    heard(node, "bits+zlib:cam1");
    node.publish("bits+zlib:cam10", 1);
    node.publish("bits+zlib:cam1", 2);
    CHECK(masks.next(patience)->seq() == 2);
}

TEST_CASE("topics: a prefix is all that begin so, without what others had encoded") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    SubscribeOptions options;
    options.prefix = true;
    maskbus::Subscription masks = client.subscribe("", options).value_or_throw();
    heard(node, "");
    node.publish("rle:a", 1);
    node.publish("a", 2);
    node.publish("b", 3);
    CHECK(masks.next(patience)->seq() == 2);
    CHECK(masks.next(patience)->seq() == 3);
}

TEST_CASE("topics: what cannot be subscribed to") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    CHECK(code_of(client.subscribe("")) == "invalid_argument");
    CHECK(code_of(client.subscribe("a:b")) == "invalid_argument");
    SubscribeOptions options;
    options.endpoint = "nonsense";
    CHECK(code_of(client.subscribe("a", options)) == "invalid_argument");
    CHECK(code_of(client.subscribe("a", std::function<void(maskbus::Segmentation)>())) == "invalid_argument");
    node.stop();
    options = {};
    options.deadline = 300ms;
    CHECK(code_of(client.subscribe("a", options)) == "unreachable");
}

TEST_CASE("topics: silence ends a wait, and not the subscription") {
    for (const bool only_newest : {false, true}) {
        fake::Node node;
        maskbus::Client client = client_of(node.endpoint(), 10s);
        SubscribeOptions options;
        options.newest = only_newest;
        maskbus::Subscription masks = client.subscribe("a", options).value_or_throw();
        heard(node, "a");
        CHECK(code_of(masks.next(50ms)) == "deadline_exceeded");
        CHECK(code_of(masks.next(0ms)) == "deadline_exceeded");
        CHECK(code_of(masks.next(-5ms)) == "deadline_exceeded");
        node.publish("a", 1);
        CHECK(masks.next(std::chrono::milliseconds::max())->seq() == 1);
    }
}

TEST_CASE("topics: a broken message does not end it") {
    for (const bool only_newest : {false, true}) {
        fake::Node node;
        maskbus::Client client = client_of(node.endpoint(), 10s);
        SubscribeOptions options;
        options.newest = only_newest;
        maskbus::Subscription masks = client.subscribe("a", options).value_or_throw();
        heard(node, "a");
        for (const std::vector<std::string>& broken : std::vector<std::vector<std::string>>{
                 {"a"}, {"a", "\xc1"}, {"a", "\x80"}, {"a", "\x90"}, {"a", fake::reply("release", "").bytes()}}) {
            node.publish_raw(broken);
            CHECK(code_of(masks.next(patience)) == "protocol");
        }
        node.publish("a", 1);
        CHECK(masks.next(patience)->seq() == 1);
    }
}

TEST_CASE("topics: only the newest, of each topic") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    SubscribeOptions options = newest();
    options.prefix = true;
    maskbus::Subscription masks = client.subscribe("cam", options).value_or_throw();
    heard(node, "cam");
    constexpr std::int64_t count = 1'000;
    for (std::int64_t number = 0; number < count; ++number) {
        node.publish("cam1", number);
        node.publish("cam2", number);
    }
    std::map<std::string, std::vector<std::int64_t>> seen;
    std::uint64_t taken = 0;
    while (seen["cam1"].empty() || seen["cam1"].back() != count - 1 || seen["cam2"].empty() ||
           seen["cam2"].back() != count - 1) {
        const auto found = masks.next(patience);
        REQUIRE(found.ok());
        seen[*found->topic()].push_back(*found->seq());
        ++taken;
        std::this_thread::sleep_for(1ms);
    }
    for (const auto& [topic, numbers] : seen) {
        CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    }
    CHECK(taken + masks.dropped() == 2 * count);
    CHECK(masks.dropped() > 0);
}

TEST_CASE("topics: a loop, closed from elsewhere") {
    for (const bool only_newest : {false, true}) {
        fake::Node node;
        maskbus::Client client = client_of(node.endpoint(), 10s);
        SubscribeOptions options;
        options.newest = only_newest;
        maskbus::Subscription masks = client.subscribe("a", options).value_or_throw();
        heard(node, "a");
        fake::Queue<std::int64_t> seen;
        auto loop = std::async(std::launch::async, [&] {
            int count = 0;
            for (const maskbus::Segmentation& found : masks) {
                seen.put(*found.seq());
                ++count;
            }
            return count;
        });
        node.publish_raw({"a", "\xc1"});
        node.publish("a", 4);
        CHECK(seen.get() == 4);
        masks.close();
        REQUIRE(loop.wait_for(20s) == std::future_status::ready);
        CHECK(loop.get() == 1);
        CHECK(code_of(masks.next()) == "closed");
        masks.close();
    }
}

TEST_CASE("topics: closed with the client, which it may outlive") {
    for (const bool only_newest : {false, true}) {
        fake::Node node;
        std::optional<maskbus::Subscription> masks;
        std::future<std::string> waiting;
        {
            maskbus::Client client = client_of(node.endpoint(), 10s);
            SubscribeOptions options;
            options.newest = only_newest;
            masks.emplace(client.subscribe("a", options).value_or_throw());
            heard(node, "a");
            waiting = std::async(std::launch::async, [&] { return code_of(masks->next()); });
        }
        REQUIRE(waiting.wait_for(20s) == std::future_status::ready);
        CHECK(waiting.get() == "closed");
        CHECK(masks->next().error().message.find("client") != std::string::npos);
    }
}

TEST_CASE("topics: a callback") {
    for (const bool only_newest : {false, true}) {
        fake::Queue<std::int64_t> seen;
        fake::Queue<maskbus::Error> problems;
        fake::Node node;
        maskbus::Client client = client_of(node.endpoint(), 10s);
        SubscribeOptions options;
        options.newest = only_newest;
        options.on_error = [&](const maskbus::Error& error) { problems.put(error); };
        maskbus::Subscription masks = client
                                          .subscribe(
                                              "a",
                                              [&](const maskbus::Segmentation& found) {
                                                  if (found.seq() == 13) {
                                                      throw std::runtime_error("unlucky");
                                                  }
                                                  if (found.seq() == 14) {
                                                      throw 5;
                                                  }
                                                  seen.put(*found.seq());
                                              },
                                              options)
                                          .value_or_throw();
        heard(node, "a");
        node.publish("a", 1);
        CHECK(seen.get() == 1);
        node.publish("a", 13);
        const maskbus::Error thrown = problems.get();
        CHECK(thrown.code == "internal");
        CHECK(thrown.message.find("unlucky") != std::string::npos);
        node.publish("a", 14);
        CHECK(problems.get().code == "internal");
        node.publish_raw({"a", "\xc1"});
        CHECK(problems.get().code == "protocol");
        node.publish("a", 2);
        CHECK(seen.get() == 2);
        CHECK(code_of(masks.next(1ms)) == "closed");
    }
}

TEST_CASE("topics: no callback runs once close has returned") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    std::atomic<bool> inside{false};
    fake::Queue<int> entered;
    maskbus::Subscription masks = client
                                      .subscribe("a",
                                                 [&](const maskbus::Segmentation&) {
                                                     inside = true;
                                                     entered.put(1);
                                                     std::this_thread::sleep_for(50ms);
                                                     inside = false;
                                                 })
                                      .value_or_throw();
    heard(node, "a");
    node.publish("a", 1);
    node.publish("a", 2);
    entered.get();
    masks.close();
    CHECK_FALSE(inside);
}

TEST_CASE("topics: a callback that closes, destroys, or uses the client") {
    for (const bool only_newest : {false, true}) {
        fake::Queue<std::string> seen;
        fake::Node node;
        maskbus::Client client = client_of(node.endpoint(), 10s);
        std::promise<std::unique_ptr<maskbus::Subscription>> own;
        auto mine = own.get_future();
        SubscribeOptions options;
        options.newest = only_newest;
        auto masks = client
                         .subscribe(
                             "a",
                             [&](const maskbus::Segmentation&) {
                                 const std::unique_ptr<maskbus::Subscription> held = mine.get();
                                 seen.put(client.ping()->node);
                                 held->close();
                             },
                             options)
                         .value_or_throw();
        own.set_value(std::make_unique<maskbus::Subscription>(std::move(masks)));
        heard(node, "a");
        node.publish("a", 1);
        node.publish("a", 2);
        CHECK(seen.get() == node.name);
        client.close();
    }
}

TEST_CASE("topics: the client is closed by a callback") {
    fake::Queue<int> closed;
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::Subscription masks = client
                                      .subscribe("a",
                                                 [&](const maskbus::Segmentation&) {
                                                     client.close();
                                                     closed.put(1);
                                                 })
                                      .value_or_throw();
    heard(node, "a");
    node.publish("a", 1);
    closed.get();
    CHECK(code_of(client.ping()) == "closed");
}

TEST_CASE("topics: a restart of the node") {
    auto node = std::make_unique<fake::Node>();
    const std::string endpoint = node->endpoint();
    const std::string topics = node->topics();
    maskbus::Client client = client_of(endpoint, 10s);
    maskbus::Subscription masks = client.subscribe("a", newest()).value_or_throw();
    heard(*node, "a");
    node->publish("a", 7);
    CHECK(masks.next(patience)->seq() == 7);
    node->stop();
    fake::Node again(endpoint, topics);
    heard(again, "a");
    again.publish("a", 1);
    CHECK(masks.next(patience)->seq() == 1);
}
