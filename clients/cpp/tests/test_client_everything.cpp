// Everything mode: what is asked, what comes back, and how far it is meanwhile.

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "maskbus/detail/conversation.hpp"
#include "picture.hpp"
#include "values.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::code_of;
using fake::Picture;
using maskbus::EverythingOptions;
using maskbus::Progress;

namespace {

/// Answers after some progress.
fake::Node::Script telling(std::vector<int> done) {
    return [done = std::move(done)](fake::Node& node, const fake::Asked& asked) {
        for (const int points : done) {
            node.send_progress(asked, points);
        }
        node.answer(asked);
    };
}

/// Tells progress, and never answers.
void tell_only(fake::Node& node, const fake::Asked& asked) {
    node.send_progress(asked, 1);
}

bool says_progress(const fake::Asked& asked) {
    const msgpack::object_handle handle = asked.header();
    for (std::uint32_t i = 0; i < handle->via.map.size; ++i) {
        const msgpack::object_kv& field = handle->via.map.ptr[i];
        if (field.key.as<std::string>() == "progress") {
            return field.val.as<bool>();
        }
    }
    return false;
}

std::string refused(const EverythingOptions& options) {
    const std::vector<std::uint8_t> pixels(3);
    const auto image = maskbus::ImageView::raw(pixels.data(), 1, 1, maskbus::ImageEncoding::rgb8);
    const auto message = maskbus::wire::everything(image, options, "7");
    return message ? "" : message.error().code + " " + message.error().path;
}

std::string refused(const maskbus::EverythingSettings& settings) {
    EverythingOptions options;
    options.settings = settings;
    return refused(options);
}

}  // namespace

TEST_CASE("everything: what is asked and what comes back") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const Picture picture;
    EverythingOptions options;
    options.preset = maskbus::Preset::dense;
    options.settings.points_per_side = 8;
    options.settings.min_area = 100;
    options.model = "m";
    options.seq = 9;
    options.publish = "all";
    const auto found = client.everything(picture.view(), options);
    REQUIRE(found);
    REQUIRE(found->masks().size() == 1);
    const maskbus::Mask& mask = found->masks().front();
    CHECK(mask.decode().value_or_throw().at(3, 5));
    REQUIRE(mask.point());
    CHECK(mask.point()->x == 0.5);
    CHECK(mask.point()->y == 1);
    REQUIRE(mask.crop_box());
    CHECK(mask.crop_box()->y == 1);
    CHECK(found->seq() == 9);
    CHECK(found->notes().empty());
    const fake::Asked asked = node.asked("everything").at(0);
    CHECK(asked.attachments.at(0) == picture.text());
    CHECK(asked.text("preset") == "dense");
    CHECK(asked.number("points_per_side", -1, "settings") == 8);
    CHECK(asked.number("min_area", -1, "settings") == 100);
    CHECK(asked.number("max_masks", -1, "settings") == -1);
    CHECK(asked.text("model") == "m");
    CHECK(asked.text("publish") == "all");
    CHECK_FALSE(says_progress(asked));
    CHECK(asked.number("deadline_ms") > 9'000);
    CHECK(asked.number("deadline_ms") <= 10'000);
}

TEST_CASE("everything: ten minutes where nobody names a deadline") {
    fake::Node node;
    maskbus::ClientOptions options;
    options.endpoint = node.endpoint();
    maskbus::Client client = maskbus::Client::connect(options).value_or_throw();
    const Picture picture;
    CHECK(client.everything(picture.view()).ok());
    CHECK(client.segment(picture.view()).ok());
    CHECK(node.asked("everything").at(0).number("deadline_ms") > 590'000);
    CHECK(node.asked("segment").at(0).number("deadline_ms") <= 30'000);
}

TEST_CASE("everything: notes say what was done otherwise") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then([](fake::Node& self, const fake::Asked& asked) {
        self.send(asked, fake::reply("everything", asked.id())
                             .set("model", "m")
                             .set("width", 8)
                             .set("height", 6)
                             .set("notes", std::vector<std::string>{"Points were left out."})
                             .maps("masks", {}));
    });
    const auto found = client.everything(Picture().view());
    REQUIRE(found);
    CHECK(found->notes() == std::vector<std::string>{"Points were left out."});
}

TEST_CASE("everything: progress comes on the thread of the call") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then(telling({2, 7}));
    std::vector<Progress> heard;
    bool elsewhere = false;
    EverythingOptions options;
    options.progress = [&, here = std::this_thread::get_id()](const Progress& progress) {
        heard.push_back(progress);
        elsewhere = elsewhere || std::this_thread::get_id() != here;
    };
    CHECK(client.everything(Picture().view(), options).ok());
    CHECK(says_progress(node.asked("everything").at(0)));
    CHECK_FALSE(elsewhere);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].done == 2);
    CHECK(heard[1].done == 7);
    CHECK(heard[1].total == 10);
    CHECK(heard[1].found == 7);
    // The candidates outlive the call.
    const auto mask = heard[0].masks.at(0).decode();
    REQUIRE(mask);
    CHECK(mask->width == 4);
    CHECK(mask->at(1, 1));
    CHECK_FALSE(mask->at(2, 0));
}

TEST_CASE("everything: progress nobody asked for is dropped") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    for (int i = 0; i < 3; ++i) {
        node.then(telling({1, 2}));
    }
    const Picture picture;
    CHECK(client.everything(picture.view()).ok());
    CHECK(client.segment(picture.view()).ok());
    CHECK(client.segment_async(picture.view(), {}).get().ok());
}

TEST_CASE("everything: what progress throws leaves the call, and the request is cancelled") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then(tell_only);
    EverythingOptions options;
    options.id = "mine";
    options.progress = [](const Progress&) { throw std::runtime_error("enough"); };
    CHECK_THROWS_WITH(static_cast<void>(client.everything(Picture().view(), options)), "enough");
    CHECK(node.work.get().op() == "everything");
    const fake::Asked cancel = node.work.get();
    CHECK(cancel.op() == "cancel");
    CHECK(cancel.text("target") == "mine");
    CHECK(client.segment(Picture().view()).ok());
}

TEST_CASE("everything: progress that is none ends the call") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then([](fake::Node& self, const fake::Asked& asked) {
        self.send(asked, fake::reply("progress", asked.id()).set("done", "half"));
    });
    EverythingOptions options;
    options.id = "mine";
    options.progress = [](const Progress&) {};
    const auto found = client.everything(Picture().view(), options);
    CHECK(code_of(found) == "protocol");
    CHECK(node.work.get().op() == "everything");
    CHECK(node.work.get().text("target") == "mine");
}

TEST_CASE("everything: of an image that the node keeps, and lets go of") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    const std::string before = image.image_id();
    CHECK(client.everything(image).ok());
    node.then(fake::error("image_expired", "image.image_id"));
    CHECK(client.everything(image).ok());
    CHECK(image.image_id() != before);
    CHECK(node.count("embed") == 2);
    const auto asked = node.asked("everything");
    REQUIRE(asked.size() == 3);
    CHECK(asked[2].text("image_id", "image") == image.image_id());
    CHECK(asked[2].text("model") == "fake");
    CHECK(asked[2].attachments.empty());
}

TEST_CASE("everything: another answer is none") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then([](fake::Node& self, const fake::Asked& asked) { self.send(asked, fake::reply("release", asked.id())); });
    CHECK(code_of(client.everything(Picture().view())) == "protocol");
}

TEST_CASE("everything: what cannot be right is not sent") {
    CHECK(refused(EverythingOptions{}).empty());
    maskbus::EverythingSettings settings;
    settings.points_per_side = 257;
    CHECK(refused(settings) == "invalid_value settings.points_per_side");
    settings.points_per_side = 256;
    CHECK(refused(settings).empty());
    settings.crop_n_layers = 1;
    CHECK(refused(settings) == "too_large settings");
    settings = {};
    settings.stability_score_offset = 0.0;
    CHECK(refused(settings) == "invalid_value settings.stability_score_offset");
    EverythingOptions options;
    options.encodings = {maskbus::MaskEncoding::rle, maskbus::MaskEncoding::logits};
    CHECK(refused(options) == "unknown_encoding encodings[1]");
    options = {};
    options.preset = maskbus::Preset::dense;
    options.settings.crop_n_layers = 4;
    CHECK(refused(options) == "too_large settings");
}

TEST_CASE("everything: progress is a sign of life") {
    using maskbus::detail::Conversation;
    maskbus::detail::Peer peer("tcp://nowhere:1", {});
    peer.heard = true;
    maskbus::detail::Request request;
    request.id = "mine";
    request.work = true;
    request.encode = [](const std::string& id, std::int64_t) { return maskbus::wire::ping(id); };
    std::vector<std::string> heard;
    request.progress = [&](const maskbus::wire::Opened& opened) -> std::optional<maskbus::Error> {
        heard.emplace_back(opened.id());
        return std::nullopt;
    };
    const auto begin = maskbus::detail::Clock::now();
    Conversation talk(peer, std::move(request), 600s, begin);
    maskbus::detail::Link link;
    CHECK(talk.next(begin).kind == Conversation::Kind::connect);
    talk.connected(link);
    CHECK(talk.next(begin).kind == Conversation::Kind::send);  // the greeting
    CHECK(talk.next(begin).kind == Conversation::Kind::send);  // the request
    const auto told = [](const char* id) {
        return maskbus::wire::open(
            values::header(
                {{"maskbus", "1.2"}, {"reply", "progress"}, {"id", id}, {"done", 1}, {"total", 2}, {"found", 0}}),
            {});
    };
    auto now = begin;
    for (int i = 0; i < 50; ++i) {
        const Conversation::Step step = talk.next(now);
        REQUIRE(step.kind == Conversation::Kind::wait);
        CHECK(step.until == now + 1s);
        now += 900ms;
        talk.arrived(told("mine"), now);
        talk.arrived(told("another's"), now);
    }
    CHECK(heard == std::vector<std::string>(50, "mine"));
    // Silence is asked about.
    now += 1s;
    talk.silence(now);
    CHECK(talk.next(now).kind == Conversation::Kind::send);
    CHECK(talk.outgoing_id() != "mine");
}

TEST_CASE("everything: a node that ends is not waited for to the end of a long call") {
    using maskbus::detail::Conversation;
    maskbus::detail::Peer peer("tcp://nowhere:1", {});
    peer.heard = true;
    maskbus::detail::Request request;
    request.id = "mine";
    request.work = true;
    request.encode = [](const std::string& id, std::int64_t) { return maskbus::wire::ping(id); };
    const auto begin = maskbus::detail::Clock::now();
    auto now = begin;
    Conversation talk(peer, std::move(request), 600s, begin);
    std::vector<maskbus::detail::Link> links(8);
    std::size_t used = 0;
    int asked = 0;
    for (Conversation::Step step = talk.next(now); step.kind != Conversation::Kind::done; step = talk.next(now)) {
        if (step.kind == Conversation::Kind::connect) {
            REQUIRE(used < links.size());
            talk.connected(links[used++]);
        } else if (step.kind == Conversation::Kind::wait) {
            now = step.until;
            talk.silence(now);
        } else {
            asked += talk.outgoing_id() == "mine" ? 1 : 0;
        }
    }
    CHECK(asked == 3);
    CHECK(now - begin >= 30s);
    CHECK(now - begin < 35s);
    const auto answer = talk.take();
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == maskbus::codes::unreachable);
}
