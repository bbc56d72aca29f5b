// Streams: frames, what is done where they cannot be sent, and how a stream comes back.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "fake_streams.hpp"
#include "maskbus/detail/client_core.hpp"
#include "picture.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::code_of;
using maskbus::FrameOptions;
using maskbus::Stream;
using maskbus::StreamOptions;
using maskbus::StreamPolicy;

namespace {

const fake::Picture picture;

/// A client whose streams ask after lost credit at once.
maskbus::Client eager(const std::string& endpoint) {
    maskbus::Client client = client_of(endpoint, 10s);
    maskbus::detail::ClientCore::of(client)->peer().policy.patience = 10ms;
    return client;
}

StreamOptions every() {
    StreamOptions options;
    options.policy = StreamPolicy::every;
    options.max_waiting = 2;
    return options;
}

FrameOptions within(std::chrono::milliseconds timeout) {
    FrameOptions options;
    options.timeout = timeout;
    return options;
}

/// Send frames until something has happened.
template <class Happened>
void send_until(Stream& stream, Happened happened) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!happened()) {
        REQUIRE(stream.send(picture.view()).ok());
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        std::this_thread::yield();
    }
}

/// Read what comes until there is an error among it.
maskbus::Error awaited_error(Stream& stream) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    for (;;) {
        if (const maskbus::Result<void> news = stream.check(); !news) {
            return news.error();
        }
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        std::this_thread::yield();
    }
}

}  // namespace

TEST_CASE("streams: frames go as they are given, and the counts come at the end") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    StreamOptions options;
    options.prompt.points = {{3, 2}};
    Stream stream = client.open_stream("front", options).value_or_throw();
    CHECK(streams.opened.get().text("stream") == "front");
    CHECK(stream.name() == "front");
    CHECK(stream.model() == "fake");
    CHECK(stream.topic() == "masks/front/fake");
    CHECK(stream.frames_topic() == "frames/front");

    FrameOptions given;
    given.stamp = -5;
    given.frame_id = "camera";
    given.seq = 40;
    for (const FrameOptions& frame : {FrameOptions(), FrameOptions(), given, FrameOptions()}) {
        CHECK(stream.send(picture.view(), frame).value_or_throw());
        const fake::Asked asked = streams.frames.get();
        CHECK(asked.text("stream") == "front");
        CHECK(asked.text("encoding", "image") == "rgb8");
        CHECK(asked.number("width", -1, "image") == 8);
        CHECK(asked.attachments == std::vector<std::string>{picture.text()});
        CHECK(asked.id().empty());
        if (frame.seq) {
            CHECK(asked.number("stamp") == -5);
            CHECK(asked.text("frame_id") == "camera");
        } else {
            CHECK(asked.number("stamp") > 1'700'000'000'000'000'000);
        }
    }
    std::vector<std::int64_t> seqs;
    for (const fake::Asked& asked : node.asked("stream.frame")) {
        seqs.push_back(asked.number("seq"));
    }
    CHECK(seqs == std::vector<std::int64_t>{0, 1, 40, 3});
    CHECK(stream.sent() == 4);
    CHECK(stream.dropped() == 0);
    CHECK(stream.check().ok());
    CHECK(stream.info()->counts.received == 4);
    CHECK(client.streams()->at(0).policy == "every");

    const maskbus::StreamCounts counts = stream.close().value_or_throw();
    CHECK(counts.received == 4);
    CHECK(counts.answered == 1);
    CHECK(counts.dropped.at("newer") == 1);
    CHECK(counts.dropped.at("later_cause") == 2);
    CHECK(code_of(stream.close()) == "closed");
    CHECK(code_of(stream.send(picture.view())) == "closed");
    CHECK(code_of(client.close_stream("front")) == "unknown_stream");
    CHECK(code_of(stream.info()) == "unknown_stream");
}

TEST_CASE("streams: what cannot be right is refused before anything is sent") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    CHECK(client.open_stream("a/b").error().path == "stream");
    StreamOptions options;
    options.max_fps = 5;
    CHECK(client.open_stream("front", options).error().path == "max_fps");
    options = {};
    options.deadline = -1ms;
    CHECK(code_of(client.open_stream("front", options)) == "invalid_argument");
    CHECK(node.count("stream.open") == 0);
    streams.refusal = "unknown_model";
    CHECK(code_of(client.open_stream("front")) == "unknown_model");
    streams.refusal = nullptr;

    Stream stream = client.open_stream("front").value_or_throw();
    maskbus::ImageView view = picture.view();
    --view.bytes;
    CHECK(code_of(stream.send(view)) == "invalid_image");
    CHECK(stream.update({}).ok());
    CHECK(code_of(stream.add(-1, {{{1, 1}}})) == "invalid_value");
    CHECK(code_of(stream.add(1, {})) == "invalid_value");
    CHECK(node.count("stream.frame") == 0);
    CHECK(node.count("stream.update") == 1);
    CHECK(stream.send(picture.view()).value_or_throw());
    CHECK(streams.frames.get().number("seq") == 0);
}

TEST_CASE("streams: objects are followed, corrected and let go") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    StreamOptions options;
    options.objects = {{1, {{{3, 2}}}}};
    Stream stream = client.open_stream("front", options).value_or_throw();
    const fake::Asked opened = streams.opened.get();
    CHECK(opened.header().get().as<std::map<std::string, msgpack::object>>().at("track").as<bool>());
    CHECK(stream.add(2, {{{4, 4}}})->seq == 4);
    const fake::Asked added = streams.updated.get();
    const auto handle = added.header();
    const auto objects = handle.get().as<std::map<std::string, msgpack::object>>().at("objects");
    REQUIRE(objects.via.array.size == 1);
    CHECK(objects.via.array.ptr[0].as<std::map<std::string, msgpack::object>>().at("object_id").as<int>() == 2);
    CHECK(stream.remove(1).ok());
    const auto removed = streams.updated.get().header();
    CHECK(removed.get().as<std::map<std::string, msgpack::object>>().at("remove").as<std::vector<int>>() ==
          std::vector<int>{1});
}

TEST_CASE("streams: a frame for which there is no room is dropped and counted") {
    for (const StreamPolicy policy : {StreamPolicy::newest, StreamPolicy::sample}) {
        fake::Node node;
        fake::Streams streams(node);
        maskbus::Client client = client_of(node.endpoint(), 10s);
        StreamOptions options;
        options.policy = policy;
        if (policy == StreamPolicy::sample) {
            options.max_fps = 2;
        }
        Stream stream = client.open_stream("front", options).value_or_throw();
        CHECK(stream.send(picture.view()).value_or_throw());
        streams.frames.get();
        node.stop();
        // Until the end of the connection is noticed frames go on their way.
        send_until(stream, [&] { return stream.dropped() == 3; });
        // The system may still take one that was on its way, and so make room for another.
        const std::uint64_t sent = stream.sent();
        const bool taken = stream.send(picture.view()).value_or_throw();
        CHECK(stream.sent() == sent + (taken ? 1 : 0));
        CHECK(stream.dropped() == (taken ? 3 : 4));
    }
}

TEST_CASE("streams: one that the node does not know is opened again, ahead of the next frame") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    StreamOptions options;
    options.objects = {{1, {{{3, 2}}}}};
    options.max_age = 50ms;
    Stream stream = client.open_stream("front", options).value_or_throw();
    streams.opened.get();
    maskbus::StreamUpdate change;
    change.encodings = {maskbus::MaskEncoding::png};
    change.max_age = 0ms;
    CHECK(stream.update(change).ok());
    streams.forget();
    send_until(stream, [&] { return stream.reopened() > 0; });
    CHECK(stream.reopened() == 1);
    CHECK(stream.lost() > 0);
    CHECK(stream.errors() == 0);
    CHECK(stream.check().ok());

    const fake::Asked again = streams.opened.get();
    const auto handle = again.header();
    const auto fields = handle.get().as<std::map<std::string, msgpack::object>>();
    CHECK(fields.at("stream").as<std::string>() == "front");
    CHECK(fields.at("model").as<std::string>() == "fake");
    CHECK(fields.at("track").as<bool>());
    CHECK(fields.count("objects") == 0);
    CHECK(fields.count("max_age_ms") == 0);
    CHECK(fields.at("encodings").as<std::vector<std::string>>() == std::vector<std::string>{"png"});
    // The frame that came with it has arrived, over the same connection.
    const fake::Asked first = streams.frames.get();
    CHECK(first.peer == again.peer);
    const std::int64_t before = streams.strays.get().number("seq");
    CHECK(first.number("seq") > before);
    const std::uint64_t sent = stream.sent();
    send_until(stream, [&] { return stream.sent() > sent; });
    CHECK(streams.frames.get().number("seq") > first.number("seq"));
}

TEST_CASE("streams: a node that was restarted gets the frames that follow") {
    auto node = std::make_unique<fake::Node>();
    auto streams = std::make_unique<fake::Streams>(*node);
    const std::string endpoint = node->endpoint();
    maskbus::Client client = client_of(endpoint, 10s);
    Stream stream = client.open_stream("front").value_or_throw();
    CHECK(stream.send(picture.view()).value_or_throw());
    streams->frames.get();
    streams.reset();
    node = std::make_unique<fake::Node>(endpoint);
    streams = std::make_unique<fake::Streams>(*node);
    send_until(stream, [&] { return stream.reopened() > 0; });
    CHECK(streams->frames.get().text("stream") == "front");
    CHECK(stream.close()->received > 0);
}

TEST_CASE("streams: a change of one that the node does not know has it opened again with the next frame") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front").value_or_throw();
    streams.opened.get();
    streams.forget();
    CHECK(code_of(stream.update({})) == "unknown_stream");
    CHECK(stream.send(picture.view()).value_or_throw());
    CHECK(streams.opened.get().text("stream") == "front");
    CHECK(streams.frames.get().number("seq") == 0);
    CHECK(stream.lost() == 0);
}

TEST_CASE("streams: a node that does not open it again is asked now and then, and the reason is told") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front").value_or_throw();
    streams.opened.get();
    streams.refusal = "model_unavailable";
    streams.forget();
    send_until(stream, [&] { return stream.errors() > 0; });
    CHECK(stream.check().error().code == "model_unavailable");
    CHECK(stream.check().ok());
    CHECK(node.count("stream.open") == 2);
    CHECK_FALSE(stream.send(picture.view()).value_or_throw());
    streams.refusal = nullptr;
    send_until(stream, [&] { return stream.reopened() == 1; });
    CHECK(streams.frames.get().text("stream") == "front");
}

TEST_CASE("streams: what is wrong with an earlier frame is told once, and does not end the stream") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front").value_or_throw();
    streams.complaint = "invalid_value";
    CHECK(stream.send(picture.view()).value_or_throw());
    const maskbus::Error error = awaited_error(stream);
    CHECK(error.code == "invalid_value");
    CHECK(error.path == "image");
    CHECK(stream.errors() == 1);
    CHECK(stream.check().ok());
    streams.complaint = nullptr;
    CHECK(stream.send(picture.view()).value_or_throw());
    CHECK(stream.reopened() == 0);
}

TEST_CASE("streams: every frame waits for credit") {
    fake::Node node;
    fake::Streams streams(node, 2);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front", every()).value_or_throw();
    CHECK(stream.send(picture.view(), within(10s)).value_or_throw());
    CHECK(stream.send(picture.view(), within(10s)).value_or_throw());
    CHECK(code_of(stream.send(picture.view(), within(0ms))) == "deadline_exceeded");
    CHECK(code_of(stream.send(picture.view(), within(20ms))) == "deadline_exceeded");
    auto waiting = std::async(std::launch::async, [&] { return stream.send(picture.view()); });
    CHECK(waiting.wait_for(20ms) == std::future_status::timeout);
    streams.credit(3);
    CHECK(waiting.get().value_or_throw());
    CHECK(code_of(stream.send(picture.view(), within(0ms))) == "deadline_exceeded");
    for (const std::int64_t seq : {0, 1, 4}) {  // those that were given up count as well
        CHECK(streams.frames.get().number("seq") == seq);
    }
    CHECK(stream.sent() == 3);
    CHECK(stream.dropped() == 0);
}

TEST_CASE("streams: credit that was lost is made up for") {
    fake::Node node;
    fake::Streams streams(node, 2);
    maskbus::Client client = eager(node.endpoint());
    Stream stream = client.open_stream("front", every()).value_or_throw();
    for (std::int64_t seq = 0; seq < 10; ++seq) {
        CHECK(stream.send(picture.view()).value_or_throw());
        CHECK(streams.frames.get().number("seq") == seq);
    }
    streams.under_way = 2;  // now the node is at work
    CHECK(code_of(stream.send(picture.view(), within(200ms))) == "deadline_exceeded");
    CHECK(stream.reopened() == 0);
}

TEST_CASE("streams: one that is gone while credit is waited for is opened again") {
    fake::Node node;
    fake::Streams streams(node, 1);
    maskbus::Client client = eager(node.endpoint());
    Stream stream = client.open_stream("front", every()).value_or_throw();
    streams.opened.get();
    CHECK(stream.send(picture.view()).value_or_throw());
    streams.frames.get();
    streams.forget();
    CHECK(stream.send(picture.view()).value_or_throw());
    CHECK(stream.reopened() == 1);
    CHECK(streams.frames.get().number("seq") == 1);
    streams.refusal = "model_unavailable";
    streams.forget();
    CHECK(code_of(stream.send(picture.view())) == "model_unavailable");
}

TEST_CASE("streams: closing waits until every frame is done with") {
    fake::Node node;
    fake::Streams streams(node, 2);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front", every()).value_or_throw();
    streams.under_way = 2;
    CHECK(stream.send(picture.view()).value_or_throw());
    CHECK(stream.send(picture.view()).value_or_throw());
    auto closing = std::async(std::launch::async, [&] { return stream.close(); });
    streams.listed.get();
    streams.under_way = 1;
    streams.credit(3);
    CHECK(closing.wait_for(20ms) == std::future_status::timeout);
    CHECK(node.count("stream.close") == 0);
    CHECK(code_of(stream.send(picture.view())) == "closed");
    streams.under_way = 0;
    streams.credit(4);
    CHECK(closing.get()->received == 2);
}

TEST_CASE("streams: closing waits until all frames have come, and not for a node that is silent") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const fake::Picture large(1000, 800);
    Stream stream = client.open_stream("front").value_or_throw();
    std::int64_t sent = 0;
    for (int frame = 0; frame < 20; ++frame) {
        sent += stream.send(large.view()).value_or_throw() ? 1 : 0;
    }
    CHECK(stream.close()->received == sent);

    Stream again = client.open_stream("front").value_or_throw();
    streams.forget();
    CHECK(again.close()->received == 0);

    Stream last = client.open_stream("front").value_or_throw();
    node.stop();
    maskbus::detail::ClientCore::of(client)->peer().policy.probe_timeout = 50ms;
    maskbus::CallOptions soon;
    soon.deadline = 200ms;
    CHECK_FALSE(last.close(soon).ok());
}

TEST_CASE("streams: closing ends a frame that waits") {
    for (const bool by_client : {false, true}) {
        fake::Node node;
        fake::Streams streams(node, 0);
        maskbus::Client client = client_of(node.endpoint(), 10s);
        Stream stream = client.open_stream("front", every()).value_or_throw();
        auto waiting = std::async(std::launch::async, [&] { return stream.send(picture.view()); });
        if (by_client) {
            client.close();
            CHECK(code_of(stream.info()) == "closed");
            CHECK(code_of(stream.results()) == "closed");
        } else {
            CHECK(stream.close().ok());
        }
        CHECK(code_of(waiting.get()) == "closed");
    }
}

TEST_CASE("streams: the destructor has the node close it, and nobody waits") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    {
        Stream stream = client.open_stream("front").value_or_throw();
        Stream other = std::move(stream);
        CHECK(code_of(stream.send(picture.view())) == "closed");  // NOLINT(bugprone-use-after-move): that is tested
        CHECK(code_of(stream.update({})) == "closed");
        CHECK(code_of(stream.check()) == "closed");
        CHECK(stream.topic().empty());
        CHECK(other.send(picture.view()).value_or_throw());
    }
    CHECK(streams.closed.get().text("stream") == "front");
    CHECK(node.count("stream.close") == 1);
    Stream left = client.open_stream("front").value_or_throw();
    client.close();
    CHECK(code_of(left.send(picture.view())) == "closed");
}

TEST_CASE("streams: pixels are copied, or sent as they lie and let go") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front").value_or_throw();
    fake::Picture changing(300, 200);
    const std::string before = changing.text();
    CHECK(stream.send(changing.view()).value_or_throw());
    std::fill(changing.pixels.begin(), changing.pixels.end(), std::uint8_t{9});
    CHECK(streams.frames.get().attachments.at(0) == before);

    std::promise<void> promise;
    {
        const std::shared_ptr<fake::Picture> owned(new fake::Picture(300, 200), [&promise](const fake::Picture* held) {
            delete held;
            promise.set_value();
        });
        CHECK(stream.send(owned->view(), {}, owned).value_or_throw());
    }
    CHECK(streams.frames.get().attachments.at(0) == before);
    CHECK(promise.get_future().wait_for(20s) == std::future_status::ready);
}

TEST_CASE("streams: results come over its topic") {
    fake::Node node;
    fake::Streams streams(node);
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Stream stream = client.open_stream("front").value_or_throw();
    maskbus::Subscription newest = stream.results().value_or_throw();
    REQUIRE(node.subscribed.get() == std::string("\x01") + "masks/front/fake");
    std::promise<std::int64_t> called;
    maskbus::SubscribeOptions options;
    options.encoding = maskbus::MaskEncoding::png;
    maskbus::Subscription calls =
        stream
            .results([&called](const maskbus::Segmentation& found) { called.set_value(found.seq().value_or(-1)); },
                     options)
            .value_or_throw();
    REQUIRE(node.subscribed.get() == std::string("\x01") + "png:masks/front/fake");
    node.publish("masks/front/fake", 7);
    node.publish("png:masks/front/fake", 8);
    CHECK(newest.next(20s)->seq() == 7);
    CHECK(called.get_future().get() == 8);
}
