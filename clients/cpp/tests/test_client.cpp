// Calls that block: what becomes of a request, against a node that does as the test tells it.

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "picture.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::code_of;
using fake::Picture;

TEST_CASE("a segmentation") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const Picture picture;
    maskbus::SegmentOptions options;
    options.model = "m";
    options.seq = 9;
    const auto masks = client.segment(picture.view(), {{{1, 2}}}, options);
    REQUIRE(masks.ok());
    CHECK(masks->seq() == 9);
    const auto mask = masks->best()->decode();
    REQUIRE(mask.ok());
    CHECK(mask->at(3, 5));
    CHECK_FALSE(mask->at(4, 0));
    const fake::Asked asked = node.asked("segment").at(0);
    CHECK(asked.attachments == std::vector<std::string>{picture.text()});
    CHECK(asked.text("encoding", "image") == "rgb8");
    CHECK(asked.text("model") == "m");
    CHECK(asked.id().size() == 32);
    CHECK(asked.number("deadline_ms") > 29'000);
    CHECK(asked.number("deadline_ms") <= 30'000);
    CHECK(asked.attachments.size() == 1);
}

TEST_CASE("everything else that can be asked") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    CHECK(client.endpoint() == node.endpoint());
    CHECK(client.ping()->node == node.name);
    CHECK(client.describe()->limits.at("points") == 9);
    CHECK(client.stats()->models.at(0).name == "fake");
    CHECK(*client.cancel("x") == 1);
    CHECK(node.asked("cancel").at(0).text("target") == "x");
    CHECK(code_of(client.cancel("")) == "invalid_argument");
}

TEST_CASE("what cannot be right is not sent") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const Picture picture;
    CHECK(code_of(client.segment(picture.view(), {{{8, 2}}})) == "invalid_value");
    maskbus::SegmentOptions options;
    options.publish = "a:b";
    CHECK(code_of(client.segment(picture.view(), {}, options)) == "invalid_value");
    options = {};
    options.deadline = -1ms;
    CHECK(code_of(client.segment(picture.view(), {}, options)) == "invalid_argument");
    options.deadline = 2h;
    CHECK(code_of(client.segment(picture.view(), {}, options)) == "invalid_argument");
    CHECK(code_of(client.segment(maskbus::ImageView{})) != "");
    REQUIRE(client.ping().ok());
    CHECK(node.count("segment") == 0);
}

TEST_CASE("options that cannot be right") {
    const auto code = [](auto change) {
        maskbus::ClientOptions options;
        change(options);
        return code_of(maskbus::Client::connect(options));
    };
    for (const char* wrong : {"localhost", "tcp://h", "tcp://:5", "tcp://h:0", "tcp://h:70000", "tcp://h:x",
                              "inproc://a", "udp://h:1", "ipc://", "tcp://h:1234567890123"}) {
        CAPTURE(wrong);
        CHECK(code([&](auto& options) { options.endpoint = wrong; }) == "invalid_argument");
    }
    CHECK(code([](auto& options) { options.endpoint = std::string("tcp://h:1\0:7710", 15); }) == "invalid_argument");
    CHECK(code([](auto& options) { options.deadline = 0ms; }) == "invalid_argument");
    CHECK(code([](auto& options) { options.deadline = 2h; }) == "invalid_argument");
    CHECK(code([](auto& options) { options.connect_timeout = 0ms; }) == "invalid_argument");
    CHECK(code([](auto& options) { options.retries = -1; }) == "invalid_argument");
    CHECK(code([](auto& options) { options.keys = maskbus::Keys{"x", "y", "z"}; }) == "invalid_argument");
    CHECK(code([](auto& options) { options.endpoint = "tcp://localhost:7710"; }) == "");
}

TEST_CASE("errors of the node") {
    fake::Node node;
    node.then(fake::error("invalid_value", "prompt.points[0]"));
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const auto masks = client.segment(Picture().view());
    REQUIRE_FALSE(masks.ok());
    CHECK(masks.error().code == "invalid_value");
    CHECK(masks.error().path == "prompt.points[0]");
}

TEST_CASE("busy, then well") {
    fake::Node node;
    node.then(fake::error("busy"));
    node.then(fake::error("busy"));
    maskbus::Client client = client_of(node.endpoint(), 10s);
    CHECK(client.segment(Picture().view()).ok());
    const auto asked = node.asked("segment");
    REQUIRE(asked.size() == 3);
    CHECK(asked[0].id() == asked[2].id());
    CHECK(node.count("ping") == 1);
}

TEST_CASE("busy for good") {
    fake::Node node;
    for (int i = 0; i < 9; ++i) {
        node.then(fake::error("busy"));
    }
    maskbus::ClientOptions options;
    options.endpoint = node.endpoint();
    options.retries = 1;
    maskbus::Client client = maskbus::Client::connect(options).value_or_throw();
    const auto masks = client.segment(Picture().view());
    CHECK(code_of(masks) == "busy");
    CHECK(masks.error().queue_length == 7);
    CHECK(masks.error().retryable());
    CHECK(node.count("segment") == 2);
}

TEST_CASE("a lost reply") {
    fake::Node node;
    node.then(fake::silent);
    maskbus::Client client = client_of(node.endpoint(), 1s);
    CHECK(client.segment(Picture().view()).ok());
    const auto asked = node.asked("segment");
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].id() == asked[1].id());
    CHECK(asked[0].peer != asked[1].peer);
    CHECK(asked[1].number("deadline_ms") < asked[0].number("deadline_ms"));
}

TEST_CASE("late and double replies are no one else's") {
    std::vector<fake::Asked> late;
    fake::Node node;
    node.then([&](fake::Node& self, const fake::Asked& asked) {
        late.push_back(asked);
        self.running = 1;
    });
    node.then([&](fake::Node& self, const fake::Asked& asked) {
        for (const fake::Asked& earlier : late) {
            self.answer(earlier);
        }
        for (int i = 0; i < 3; ++i) {
            self.answer(asked);
        }
    });
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const Picture picture;
    maskbus::SegmentOptions options = fake::with_seq(1);
    options.deadline = 200ms;
    CHECK(code_of(client.segment(picture.view(), {}, options)) == "deadline_exceeded");
    for (std::int64_t seq = 2; seq < 6; ++seq) {
        CHECK(client.segment(picture.view(), {}, fake::with_seq(seq))->seq() == seq);
        CHECK(client.ping()->node == node.name);
    }
}

TEST_CASE("a restart in the middle of a call") {
    auto node = std::make_unique<fake::Node>();
    const std::string endpoint = node->endpoint();
    node->then(fake::silent);
    maskbus::Client client = client_of(endpoint, 5s);
    auto call = std::async(std::launch::async, [&] { return client.segment(Picture().view()).ok(); });
    node->work.get();
    node->stop();
    fake::Node again(endpoint);
    CHECK(call.get());
    CHECK(again.count("segment") == 1);
}

TEST_CASE("a restart between two calls") {
    auto node = std::make_unique<fake::Node>();
    const std::string endpoint = node->endpoint();
    maskbus::Client client = client_of(endpoint, 10s);
    CHECK(client.segment(Picture().view()).ok());
    node->stop();
    fake::Node again(endpoint);
    CHECK(client.segment(Picture().view()).ok());
    CHECK(again.count("segment") == 1);
}

TEST_CASE("a node that comes late is waited for") {
    auto node = std::make_unique<fake::Node>();
    const std::string endpoint = node->endpoint();
    node->stop();
    maskbus::Client client = client_of(endpoint, 10s);
    auto call = std::async(std::launch::async, [&] { return client.segment(Picture().view()).ok(); });
    fake::Node again(endpoint);
    CHECK(call.get());
}

TEST_CASE("nobody there") {
    auto node = std::make_unique<fake::Node>();
    maskbus::ClientOptions options;
    options.endpoint = node->endpoint();
    options.connect_timeout = 300ms;
    node->stop();
    maskbus::Client client = maskbus::Client::connect(options).value_or_throw();
    const auto begin = std::chrono::steady_clock::now();
    const auto masks = client.segment(Picture().view());
    CHECK(code_of(masks) == "unreachable");
    CHECK(masks.error().message.find("maskbus serve") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a mute node") {
    fake::Node node;
    node.mute = true;
    maskbus::Client client = client_of(node.endpoint(), 300ms);
    CHECK(code_of(client.ping()) == "unreachable");
    CHECK(code_of(client.describe({200ms})) == "unreachable");
    CHECK(code_of(client.stats({1ms})) == "unreachable");
    CHECK(code_of(client.segment(Picture().view())) == "unreachable");
}

TEST_CASE("slow is not lost") {
    fake::Queue<fake::Asked> held;
    fake::Node node;
    node.then([&](fake::Node& self, const fake::Asked& asked) {
        self.running = 1;
        held.put(asked);
    });
    maskbus::Client client = client_of(node.endpoint(), 2s);
    auto call = std::async(std::launch::async, [&] { return client.segment(Picture().view()).ok(); });
    const fake::Asked asked = held.get();
    while (node.count("ping") + node.count("stats") < 4) {  // the greeting, and three times that it was asked after
        std::this_thread::sleep_for(5ms);
    }
    node.do_there([&node, asked] { node.answer(asked); });
    CHECK(call.get());
    CHECK(node.count("segment") == 1);
}

TEST_CASE("garbage") {
    const std::vector<std::vector<std::string>> kinds = {
        {"SSH-2.0"}, {""}, {"", "\xc1"}, {"", ""}, {"", "\x90"}, {"", std::string(5'000, '\x91')}, {"x", "\x80"}};
    for (const auto& frames : kinds) {
        fake::Node node;
        node.mute = true;
        for (int i = 0; i < 3; ++i) {
            node.then([&](fake::Node& self, const fake::Asked& asked) { self.send_raw(asked, frames); });
        }
        maskbus::Client client = client_of(node.endpoint(), 250ms);
        const auto masks = client.segment(Picture().view());
        CHECK(code_of(masks) == "protocol");
    }
}

TEST_CASE("a peer that never stops talking does not hold a call up") {
    std::atomic<bool> enough{false};
    fake::Node node;
    node.then([&](fake::Node& self, const fake::Asked& asked) {
        self.mute = true;
        while (!enough) {
            self.send(asked, fake::reply("ping", "somebody else's"));
        }
    });
    maskbus::Client client = client_of(node.endpoint(), 300ms);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(code_of(client.segment(Picture().view())) == "deadline_exceeded");
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
    enough = true;
}

TEST_CASE("a reply of another kind") {
    fake::Node node;
    node.then([](fake::Node& self, const fake::Asked& asked) { self.send(asked, fake::reply("release", asked.id())); });
    node.then([](fake::Node& self, const fake::Asked& asked) { self.send(asked, fake::reply("segment", asked.id())); });
    maskbus::Client client = client_of(node.endpoint(), 10s);
    CHECK(code_of(client.segment(Picture().view())) == "protocol");
    CHECK(code_of(client.segment(Picture().view())) == "protocol");
    CHECK(client.segment(Picture().view()).ok());
}

TEST_CASE("an error without an id is an answer") {
    fake::Node node;
    node.then([](fake::Node& self, const fake::Asked& asked) {
        self.send(asked, fake::reply("error", "").set("code", "malformed").set("message", "What?"));
    });
    maskbus::Client client = client_of(node.endpoint(), 10s);
    CHECK(code_of(client.segment(Picture().view())) == "malformed");
}

TEST_CASE("cancel from another thread") {
    fake::Queue<fake::Asked> held;
    fake::Node node;
    node.then([&](fake::Node&, const fake::Asked& asked) { held.put(asked); });
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::SegmentOptions options;
    options.id = "mine";
    auto call = std::async(std::launch::async, [&] { return code_of(client.segment(Picture().view(), {}, options)); });
    const fake::Asked asked = held.get();
    CHECK(asked.id() == "mine");
    CHECK(*client.cancel("mine") == 1);
    node.do_there([&node, asked] { node.send_error(asked, "cancelled"); });
    CHECK(call.get() == "cancelled");
}

TEST_CASE("cancel between two tries") {
    fake::Queue<int> refused;
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then([&](fake::Node& self, const fake::Asked& asked) {
        self.send_error(asked, "busy");
        refused.put(1);
    });
    maskbus::SegmentOptions options;
    options.id = "mine";
    auto call = std::async(std::launch::async, [&] { return code_of(client.segment(Picture().view(), {}, options)); });
    refused.get();
    CHECK(client.cancel("mine").ok());
    const std::string code = call.get();
    // Where the back-off was over before the cancel, the second try was answered.
    CHECK((code == "cancelled" || node.count("segment") == 2));
}

TEST_CASE("many threads share one client") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    constexpr int threads = 8;
    std::atomic<int> right{0};
    std::vector<std::thread> crowd;
    for (int thread = 0; thread < threads; ++thread) {
        crowd.emplace_back([&, thread] {
            const Picture picture(40, 30);
            for (std::int64_t i = 0; i < 25; ++i) {
                const std::int64_t seq = thread * 1'000 + i;
                const auto masks = client.segment(picture.view(), {}, fake::with_seq(seq));
                right += masks && masks->seq() == seq ? 1 : 0;
            }
        });
    }
    for (std::thread& one : crowd) {
        one.join();
    }
    CHECK(right == threads * 25);
    std::set<std::string> peers;
    for (const fake::Asked& asked : node.asked("segment")) {
        peers.insert(asked.peer);
    }
    CHECK(peers.size() <= threads);
}

TEST_CASE("closing while others wait") {
    fake::Node node;
    node.then(fake::silent);
    node.then(fake::silent);
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const auto call = [&] { return code_of(client.segment(Picture().view())); };
    auto first = std::async(std::launch::async, call);
    auto second = std::async(std::launch::async, call);
    node.work.get();
    node.work.get();
    client.close();
    CHECK(first.get() == "closed");
    CHECK(second.get() == "closed");
    CHECK(code_of(client.ping()) == "closed");
    CHECK(code_of(client.subscribe("t")) == "closed");
    CHECK(code_of(client.segment_async(Picture().view(), {}).get()) == "closed");
    client.close();
}

TEST_CASE("a client that has been moved elsewhere") {
    fake::Node node;
    maskbus::Client first = client_of(node.endpoint(), 10s);
    maskbus::Client second = std::move(first);
    CHECK(second.ping().ok());
    CHECK(code_of(first.ping()) == "closed");
    CHECK(code_of(first.segment(Picture().view())) == "closed");
    CHECK(first.endpoint().empty());
    first.close();
    second = client_of(node.endpoint(), 10s);
    CHECK(second.ping().ok());
}

#ifndef _WIN32
TEST_CASE("ipc") {
    if (zmq_has("ipc") == 0) {
        return;
    }
    std::random_device random;
    const std::string path = "/tmp/maskbus-test-" + std::to_string(random());
    fake::Node node("ipc://" + path);
    maskbus::Client client = client_of("ipc://" + path, 10s);
    CHECK(client.segment(Picture().view()).ok());
    const Picture large(300, 300);
    CHECK(client.segment(large.view()).ok());
    CHECK(node.asked("segment").at(1).attachments.at(0) == large.text());
    const auto nowhere = client.subscribe("t");
    CHECK(code_of(nowhere) == "unreachable");
}
#endif
