// Routes, texts, sizes, post-processing and answers that are kept: what is refused, asked, and told.

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "maskbus/maskbus.hpp"
#include "picture.hpp"
#include "values.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::Picture;
using maskbus::PostProcessing;
using maskbus::Prompt;
using maskbus::Route;
using maskbus::SegmentOptions;
using maskbus::TextOptions;
using maskbus::TextSelect;
using values::List;
using values::Map;
namespace wire = maskbus::wire;

namespace {

const Picture picture;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::string said(const maskbus::Result<wire::Message>& message) {
    return message ? "" : message.error().code + " " + message.error().path;
}

Prompt cup() {
    Prompt prompt;
    prompt.text = {"cup"};
    return prompt;
}

std::string refused(Route route) {
    maskbus::EmbedOptions embed;
    embed.route = route;
    SegmentOptions options;
    options.route = std::move(route);
    const std::string found = said(wire::segment(picture.view(), {}, options, "7"));
    CHECK(said(wire::embed(picture.view(), embed, "7")) == found);
    return found;
}

std::string refused(const PostProcessing& post) {
    SegmentOptions options;
    options.post = post;
    maskbus::EverythingOptions everything;
    everything.post = post;
    maskbus::StreamOptions stream;
    stream.post = post;
    const std::string found = said(wire::segment(picture.view(), {}, options, "7"));
    CHECK(said(wire::everything(picture.view(), everything, "7")) == found);
    CHECK(said(wire::stream_open("front", stream, "7")) == found);
    return found;
}

std::string refused(const TextOptions& text, const Prompt& prompt = cup()) {
    SegmentOptions options;
    options.text_options = text;
    return said(wire::segment(picture.view(), prompt, options, "7"));
}

std::string refused_side(std::int64_t max_side) {
    SegmentOptions options;
    options.max_side = max_side;
    return said(wire::segment(picture.view(), {}, options, "7"));
}

TextOptions by(TextSelect select, std::optional<double> threshold, std::optional<std::int64_t> top = {}) {
    TextOptions options;
    options.select = select;
    options.threshold = threshold;
    options.top = top;
    return options;
}

maskbus::Result<wire::Opened> opened(const Map& map) {
    return wire::open(values::header(map), {});
}

}  // namespace

TEST_CASE("answer options: routes that cannot be") {
    CHECK(refused(Route{}).empty());
    CHECK(refused(Route{{"a", "b"}, 0.0, 1.0}).empty());
    CHECK(refused(Route{std::vector<std::string>(17, "a")}) == "too_large route.models");
    CHECK(refused(Route{{"a", "b", "a"}}) == "invalid_value route.models[2]");
    CHECK(refused(Route{{""}}) == "invalid_value route.models[0]");
    CHECK(refused(Route{{"a", std::string(257, 'x')}}) == "too_large route.models[1]");
    CHECK(refused(Route{{"a\xff"}}) == "invalid_value route.models[0]");
    for (const double wrong : {-0.1, 1.1, not_a_number}) {
        CHECK(refused(Route{{}, wrong, {}}) == "invalid_value route.min_predicted_iou");
        CHECK(refused(Route{{}, {}, wrong}) == "invalid_value route.share");
    }
    CHECK(refused(Route{{}, {}, 0.0}) == "invalid_value route.share");
    CHECK(refused(Route{{}, {}, -0.0}) == "invalid_value route.share");
}

TEST_CASE("answer options: sizes and steps that cannot be") {
    for (const std::int64_t side : {0, 64, 32'767}) {
        CHECK(refused_side(side).empty());
    }
    for (const std::int64_t side : {-1, 1, 63, 32'768}) {
        CHECK(refused_side(side) == "invalid_value max_side");
    }
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    CHECK(refused(PostProcessing{most, most, 64, most, 65'535, 64}).empty());
    CHECK(refused(PostProcessing{-1}) == "invalid_value post.fill_holes");
    CHECK(refused(PostProcessing{0, -1}) == "invalid_value post.remove_islands");
    CHECK(refused(PostProcessing{0, 0, 64.5}) == "invalid_value post.smooth");
    CHECK(refused(PostProcessing{0, 0, not_a_number}) == "invalid_value post.smooth");
    CHECK(refused(PostProcessing{0, 0, 0, -1}) == "invalid_value post.min_area");
    CHECK(refused(PostProcessing{0, 0, 0, 0, 65'536}) == "invalid_value post.max_contours");
    CHECK(refused(PostProcessing{0, 0, 0, 0, 0, -0.5}) == "invalid_value post.max_error");
}

TEST_CASE("answer options: ways of choosing that cannot be") {
    CHECK(refused(TextOptions{}).empty());
    CHECK(refused(TextOptions{}, {}) == "invalid_value text_options");
    CHECK(refused(TextOptions{}, {{{1, 1}}}) == "invalid_value text_options");
    CHECK(refused(by(TextSelect::softmax, -0.1)) == "invalid_value text_options.threshold");
    CHECK(refused(by(TextSelect::cosine, -1)).empty());
    CHECK(refused(by(TextSelect::cosine, -1.1)) == "invalid_value text_options.threshold");
    CHECK(refused(by(TextSelect::cosine, not_a_number)) == "invalid_value text_options.threshold");
    CHECK(refused(by(TextSelect::top, 0.5)) == "invalid_value text_options.threshold");
    CHECK(refused(by(TextSelect::top, {}, 65'535)).empty());
    for (const std::int64_t top : {0, 65'536}) {
        CHECK(refused(by(TextSelect::top, {}, top)) == "invalid_value text_options.top");
    }
    CHECK(refused(by(TextSelect::softmax, {}, 3)) == "invalid_value text_options.top");
    TextOptions wide;
    wide.margin = 4.5;
    CHECK(refused(wide) == "invalid_value text_options.margin");
    wide.margin = 4;
    CHECK(refused(wide).empty());
}

TEST_CASE("answer options: streams that track") {
    maskbus::StreamOptions options;
    options.track = true;
    options.post = PostProcessing{16};
    CHECK(said(wire::stream_open("front", options, "7")).empty());
    options.post->min_area = 1;
    CHECK(said(wire::stream_open("front", options, "7")) == "invalid_value post.min_area");
    options.post = std::nullopt;
    options.max_side = 640;
    CHECK(said(wire::stream_open("front", options, "7")) == "invalid_value max_side");
    options.track = false;
    options.text_options = by(TextSelect::cosine, 0.2);  // its text may come with an update
    CHECK(said(wire::stream_open("front", options, "7")).empty());
}

TEST_CASE("answer options: what is asked") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    SegmentOptions options;
    options.route = Route{{"a", "b"}, {}, {}};
    options.fresh = true;
    options.max_side = 640;
    options.post = PostProcessing{9};
    options.text_options = by(TextSelect::top, {}, 3);
    options.text_options->combine = maskbus::TextCombine::whole;
    CHECK(client.segment(picture.view(), cup(), options).ok());
    CHECK(client.segment_async(picture.view(), cup(), options).get().ok());
    for (const fake::Asked& asked : node.asked("segment")) {
        const auto handle = asked.header();
        const auto fields = handle.get().as<std::map<std::string, msgpack::object>>();
        CHECK(fields.at("fresh").as<bool>());
        CHECK(fields.at("route").as<std::map<std::string, std::vector<std::string>>>().at("models").size() == 2);
        CHECK(asked.number("max_side") == 640);
        CHECK(asked.number("fill_holes", -1, "post") == 9);
        CHECK(asked.text("select", "text_options") == "top");
        CHECK(asked.text("combine", "text_options") == "union");
        CHECK(asked.number("top", -1, "text_options") == 3);
    }
    CHECK(node.count("segment") == 2);
}

TEST_CASE("answer options: a kept image's model is asked where nothing else is said") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::EmbedOptions embed;
    embed.route = Route{{"a", "b"}, {}, {}};
    const maskbus::KeptImage any = client.embed(picture.view(), embed).value_or_throw();
    SegmentOptions routed;
    routed.route = Route{{"c"}, {}, {}};
    CHECK(client.segment(any, {{{1, 1}}}).ok());
    CHECK(client.segment(any, {{{1, 1}}}, routed).ok());
    CHECK(client.segment(any, cup()).ok());
    maskbus::EverythingOptions everything;
    everything.route = routed.route;
    CHECK(client.everything(any, everything).ok());
    node.then(fake::error("image_expired", "image.image_id"));
    CHECK(client.segment(any, {{{1, 1}}}).ok());
    embed.route = std::nullopt;
    embed.model = "m";
    const maskbus::KeptImage chosen = client.embed(picture.view(), embed).value_or_throw();
    CHECK(client.segment(chosen, cup()).ok());
    std::vector<std::string> models;
    for (const fake::Asked& asked : node.asked("segment")) {
        models.push_back(asked.text("model"));
    }
    CHECK(models == std::vector<std::string>{"fake", "", "", "fake", "fake", "fake"});
    CHECK(node.asked("everything").at(0).text("model").empty());
    // The model that had the image gets it again; the route is not gone through once more.
    const auto embeds = node.asked("embed");
    REQUIRE(embeds.size() == 3);
    CHECK(embeds[0].text("model").empty());
    CHECK(embeds[1].text("model") == "fake");
    CHECK(embeds[1].head.find("route") == std::string::npos);
}

TEST_CASE("answer options: what an answer tells") {
    const Map attempt = {{"model", "a"}, {"code", "busy"}, {"message", "Full."}, {"ms", 1.5}};
    const Map score = {{"text", "cup"}, {"masks", 1}, {"proposals", 9}, {"similarity", 0.3}};
    Map mask = values::mask();
    mask.emplace_back("label", "cup");
    mask.emplace_back("similarity", 0.3);
    mask.emplace_back("probability", 0.8);
    Map map = values::segment({mask});
    map.emplace_back("tried", List{attempt});
    map.emplace_back("reused", true);
    map.emplace_back("scores", List{score});
    const auto found = wire::segmentation(*opened(map));
    REQUIRE(found);
    REQUIRE(found->tried().size() == 1);
    CHECK(found->tried()[0].code == "busy");
    CHECK(found->tried()[0].ms == 1.5);
    CHECK(found->reused());
    REQUIRE(found->scores().size() == 1);
    CHECK(found->scores()[0].proposals == 9);
    CHECK(found->scores()[0].similarity == 0.3);
    CHECK_FALSE(found->scores()[0].probability);
    CHECK(found->masks()[0].label() == "cup");
    CHECK(found->masks()[0].probability() == 0.8);
    const auto plain = wire::segmentation(*opened(values::segment({values::mask()})));
    REQUIRE(plain);
    CHECK(plain->tried().empty());
    CHECK_FALSE(plain->reused());
    CHECK(plain->scores().empty());
    CHECK_FALSE(plain->masks()[0].probability());
}

TEST_CASE("answer options: an error tells what was tried") {
    fake::Node node;
    node.then([](fake::Node& self, const fake::Asked& asked) {
        fake::Header attempt;
        attempt.set("model", "a").set("code", "left_out").set("message", "It has failed three times.");
        self.send(asked, fake::reply("error", asked.id())
                             .set("code", "model_unavailable")
                             .set("message", "None has answered.")
                             .maps("tried", {attempt}));
    });
    maskbus::Client client = client_of(node.endpoint(), 10s);
    SegmentOptions options;
    options.route = Route{{"a"}, {}, {}};
    const auto masks = client.segment(picture.view(), {}, options);
    REQUIRE_FALSE(masks.ok());
    CHECK(masks.error().code == "model_unavailable");
    REQUIRE(masks.error().tried.size() == 1);
    CHECK(masks.error().tried[0].model == "a");
    CHECK(masks.error().tried[0].code == "left_out");
    CHECK(masks.error().tried[0].ms == 0);
}
