// Calls that do not wait: many at once over one connection, and how they end.

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "picture.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::code_of;
using fake::Picture;

namespace {

using Future = std::future<maskbus::Result<maskbus::Segmentation>>;

std::string code_in_time(Future& future) {
    if (future.wait_for(20s) != std::future_status::ready) {
        return "never";
    }
    return code_of(future.get());
}

}  // namespace

TEST_CASE("async: many at once, answered backwards") {
    std::vector<fake::Asked> held;
    fake::Node node;
    constexpr std::int64_t count = 50;
    for (std::int64_t i = 0; i < count; ++i) {
        node.then([&](fake::Node& self, const fake::Asked& asked) {
            held.push_back(asked);
            if (held.size() == static_cast<std::size_t>(count)) {
                for (auto one = held.rbegin(); one != held.rend(); ++one) {
                    self.answer(*one);
                }
            }
        });
    }
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const Picture picture;
    std::vector<Future> futures;
    for (std::int64_t seq = 0; seq < count; ++seq) {
        futures.push_back(client.segment_async(picture.view(), {{{1, 2}}}, fake::with_seq(seq)));
    }
    for (std::int64_t seq = 0; seq < count; ++seq) {
        const auto masks = futures[static_cast<std::size_t>(seq)].get();
        REQUIRE(masks.ok());
        CHECK(masks->seq() == seq);
    }
    std::set<std::string> peers;
    for (const fake::Asked& asked : node.asked("segment")) {
        peers.insert(asked.peer);
    }
    CHECK(peers.size() == 1);
}

TEST_CASE("async: pixels without an owner may change at once") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    for (const std::uint32_t side : {8U, 400U}) {
        auto picture = std::make_unique<Picture>(side, side);
        const std::string sent = picture->text();
        Future future = client.segment_async(picture->view(), {});
        picture->pixels.assign(picture->pixels.size(), 0xee);
        picture.reset();
        CHECK(code_in_time(future).empty());
        CHECK(node.work.get().attachments.at(0) == sent);
    }
}

TEST_CASE("async: pixels with an owner are held as long as they are needed, and no longer") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    for (const std::uint32_t side : {8U, 400U}) {
        fake::Queue<std::string> gone;
        auto* raw = new Picture(side, side);
        std::shared_ptr<const Picture> picture(raw, [&gone](const Picture* dead) {
            gone.put(dead->text());
            delete dead;
        });
        const std::string sent = raw->text();
        const maskbus::ImageView view = raw->view();
        Future future = client.segment_async(view, {}, {}, std::move(picture));
        CHECK(code_in_time(future).empty());
        CHECK(gone.get() == sent);
        CHECK(node.work.get().attachments.at(0) == sent);
    }
}

TEST_CASE("async: mask prompts without an owner are copied, too") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const Picture picture(640, 480);
    std::vector<std::uint8_t> refined(640 * 480, 255);
    maskbus::Prompt prompt;
    prompt.mask =
        maskbus::MaskPrompt{maskbus::MaskEncoding::raw, maskbus::Bytes::borrow(refined.data(), refined.size()), {}};
    Future future = client.segment_async(picture.view(), prompt);
    refined.assign(refined.size(), 0);
    refined.shrink_to_fit();
    CHECK(code_in_time(future).empty());
    CHECK(node.work.get().attachments.at(1) == std::string(640 * 480, '\xff'));
}

TEST_CASE("async: what cannot be right") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const Picture picture;
    Future outside = client.segment_async(picture.view(), {{{100, 2}}});
    CHECK(code_in_time(outside) == "invalid_value");
    // An impossible size must not be believed, let alone be copied.
    Future huge = client.segment_async(
        maskbus::ImageView::raw(picture.pixels.data(), 4'000'000, 4'000'000, maskbus::ImageEncoding::rgb8), {});
    CHECK(code_in_time(huge) != "");
    maskbus::SegmentOptions options;
    options.deadline = 2h;
    Future late = client.segment_async(picture.view(), {}, options);
    CHECK(code_in_time(late) == "invalid_argument");
    CHECK(node.count("segment") == 0);
}

TEST_CASE("async: errors, a lost reply, a deadline, nobody there") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 1s);
    const Picture picture;
    node.then(fake::error("out_of_memory"));
    Future refused = client.segment_async(picture.view(), {});
    CHECK(code_in_time(refused) == "out_of_memory");

    node.then(fake::error("busy"));
    Future busy = client.segment_async(picture.view(), {});
    CHECK(code_in_time(busy).empty());

    node.then(fake::silent);
    Future lost = client.segment_async(picture.view(), {});
    Future well = client.segment_async(picture.view(), {}, fake::with_seq(3));
    CHECK(code_in_time(lost).empty());
    CHECK(code_in_time(well).empty());

    node.running = 1;
    node.then(fake::silent);
    maskbus::SegmentOptions options;
    options.deadline = 200ms;
    Future late = client.segment_async(picture.view(), {}, options);
    CHECK(code_in_time(late) == "deadline_exceeded");

    maskbus::ClientOptions nowhere;
    nowhere.endpoint = "tcp://127.0.0.1:1";
    nowhere.connect_timeout = 200ms;
    maskbus::Client lonely = maskbus::Client::connect(nowhere).value_or_throw();
    Future unreachable = lonely.segment_async(picture.view(), {});
    CHECK(code_in_time(unreachable) == "unreachable");
}

TEST_CASE("async: a restart of the node") {
    auto node = std::make_unique<fake::Node>();
    const std::string endpoint = node->endpoint();
    for (int i = 0; i < 5; ++i) {
        node->then(fake::silent);
    }
    maskbus::Client client = client_of(endpoint, 5s);
    const Picture picture(200, 200);
    std::vector<Future> futures;
    for (int i = 0; i < 5; ++i) {
        futures.push_back(client.segment_async(picture.view(), {}));
    }
    for (int i = 0; i < 5; ++i) {
        node->work.get();
    }
    node->stop();
    fake::Node again(endpoint);
    for (Future& future : futures) {
        CHECK(code_in_time(future).empty());
    }
    CHECK(again.count("segment") == 5);
}

TEST_CASE("async: garbage and errors without an id") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 1s);
    const Picture picture;
    node.then([](fake::Node& self, const fake::Asked& asked) {
        self.send_raw(asked, {"no delimiter"});
        self.send_raw(asked, {"", "\xc1"});
        self.answer(asked);
    });
    Future after_garbage = client.segment_async(picture.view(), {});
    CHECK(code_in_time(after_garbage).empty());
    node.then([](fake::Node& self, const fake::Asked& asked) {
        self.send(asked, fake::reply("error", "").set("code", "malformed").set("message", "What?"));
    });
    Future nameless = client.segment_async(picture.view(), {});
    CHECK(code_in_time(nameless) == "malformed");
}

TEST_CASE("async: cancelled") {
    fake::Queue<fake::Asked> held;
    fake::Node node;
    node.then([&](fake::Node&, const fake::Asked& asked) { held.put(asked); });
    maskbus::Client client = client_of(node.endpoint(), 30s);
    maskbus::SegmentOptions options;
    options.id = "mine";
    Future future = client.segment_async(Picture().view(), {}, options);
    const fake::Asked asked = held.get();
    CHECK(*client.cancel("mine") == 1);
    node.do_there([&node, asked] { node.send_error(asked, "cancelled"); });
    CHECK(code_in_time(future) == "cancelled");
}

TEST_CASE("async: the client ends while calls are under way") {
    fake::Node node;
    std::vector<Future> futures;
    {
        maskbus::Client client = client_of(node.endpoint(), 30s);
        const Picture picture(300, 300);
        for (int i = 0; i < 20; ++i) {
            node.then(fake::silent);
            futures.push_back(client.segment_async(picture.view(), {}));
        }
        node.work.get();
    }
    for (Future& future : futures) {
        CHECK(code_in_time(future) == "closed");
    }
}

TEST_CASE("async: futures may be thrown away") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const Picture picture;
    for (int i = 0; i < 10; ++i) {
        static_cast<void>(client.segment_async(picture.view(), {}));
    }
    Future last = client.segment_async(picture.view(), {});
    CHECK(code_in_time(last).empty());
}
