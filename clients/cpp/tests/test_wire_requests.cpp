#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <msgpack.hpp>

#include "maskbus/wire.hpp"

namespace wire = maskbus::wire;
using maskbus::Bytes;
using maskbus::ImageEncoding;
using maskbus::ImageView;
using maskbus::MaskEncoding;
using maskbus::Prompt;
using maskbus::SegmentOptions;

namespace {

const std::vector<std::uint8_t> pixels(9 * 4 * 3);
const ImageView picture = ImageView::raw(pixels.data(), 9, 4, ImageEncoding::rgb8);

std::string refused(const maskbus::Result<wire::Message>& message) {
    return message ? "" : message.error().code + " " + message.error().path;
}

std::string refused(const Prompt& prompt) {
    return refused(wire::segment(picture, prompt, {}, "7"));
}

std::string refused(const SegmentOptions& options) {
    return refused(wire::segment(picture, {}, options, "7"));
}

std::string refused(const ImageView& view) {
    return refused(wire::segment(view, {}, {}, "7"));
}

Prompt with_points(std::vector<maskbus::Point> points) {
    Prompt prompt;
    prompt.points = std::move(points);
    return prompt;
}

Prompt with_boxes(std::vector<maskbus::Box> boxes) {
    Prompt prompt;
    prompt.boxes = std::move(boxes);
    return prompt;
}

Prompt with_mask(MaskEncoding encoding, std::size_t size, std::string counts = {}) {
    Prompt prompt;
    prompt.mask = maskbus::MaskPrompt{encoding, Bytes::own(std::vector<std::uint8_t>(size)), std::move(counts)};
    return prompt;
}

Prompt with_logits(int height, int width, std::vector<float> values) {
    Prompt prompt;
    prompt.logits = maskbus::LogitsPrompt{{height, width}, Bytes::copy_of(values.data(), 4 * values.size())};
    return prompt;
}

}  // namespace

TEST_CASE("pixels are not copied") {
    const auto message = wire::segment(picture, {}, {}, "7");
    REQUIRE(message);
    REQUIRE(message->attachments.size() == 1);
    CHECK(message->attachments[0].data() == pixels.data());
    CHECK(message->attachments[0].size() == pixels.size());
    CHECK((message->attachments[0].owner() == nullptr));
}

TEST_CASE("mask and logits follow the image, and keep what holds them") {
    Prompt prompt = with_mask(MaskEncoding::bits, 8);
    prompt.logits = with_logits(1, 2, {1, 2}).logits;
    const auto message = wire::segment(picture, prompt, {}, "7");
    REQUIRE(message);
    REQUIRE(message->attachments.size() == 3);
    CHECK(message->attachments[1].data() == prompt.mask->bytes.data());
    CHECK((message->attachments[1].owner() != nullptr));
    CHECK(message->attachments[2].size() == 8);
}

TEST_CASE("options of each type go out as that type") {
    SegmentOptions options;
    options.options = {{"flag", true}, {"count", std::int64_t{-3}}, {"share", 2.0}, {"name", std::string("x")}};
    const auto message = wire::segment(picture, {}, options, "7");
    REQUIRE(message);
    const auto handle = msgpack::unpack(reinterpret_cast<const char*>(message->header.data()), message->header.size());
    const auto* found = maskbus::detail::find_field(handle.get(), "options");
    REQUIRE(found != nullptr);
    CHECK(maskbus::detail::find_field(*found, "flag")->type == msgpack::type::BOOLEAN);
    CHECK(maskbus::detail::find_field(*found, "count")->type == msgpack::type::NEGATIVE_INTEGER);
    CHECK(maskbus::detail::find_field(*found, "share")->type == msgpack::type::FLOAT64);
    CHECK(maskbus::detail::find_field(*found, "name")->type == msgpack::type::STR);
}

TEST_CASE("images that are not what they say") {
    CHECK(refused(ImageView::raw(pixels.data(), 0, 4, ImageEncoding::rgb8)) == "invalid_value image.width");
    CHECK(refused(ImageView::raw(pixels.data(), 9, 0, ImageEncoding::rgb8)) == "invalid_value image.height");
    CHECK(refused(ImageView::raw(pixels.data(), 40'000, 1, ImageEncoding::mono8)) == "invalid_value image.width");
    CHECK(refused(ImageView::raw(pixels.data(), 30'000, 30'000, ImageEncoding::mono8)) == "too_large image");
    CHECK(refused(ImageView::raw(pixels.data(), 9, 4, ImageEncoding::rgb8, 26)) == "invalid_value image.step");
    ImageView view = picture;
    view.bytes -= 1;
    CHECK(refused(view) == "invalid_image image");
    view.bytes += 2;
    CHECK(refused(view) == "invalid_image image");
    view = picture;
    view.data = nullptr;
    CHECK(refused(view) == "invalid_argument image");
    view = picture;
    view.encoding = ImageEncoding::jpeg;
    CHECK(refused(view) == "invalid_image image");
    const std::string png = "\x89PNG\r\n\x1a\n...";
    view = ImageView::file(png.data(), png.size());
    CHECK(refused(view).empty());
    view.encoding = ImageEncoding::webp;
    CHECK(refused(view) == "invalid_image image.encoding");
    view = ImageView::file(png.data(), png.size());
    view.step = 4;
    CHECK(refused(view) == "invalid_field image.step");
    CHECK(refused(ImageView::file(pixels.data(), 0)) == "invalid_image image");
    CHECK(refused(ImageView{}) == "invalid_value image.width");
    // The largest frame is looked at before anything is added to it.
    view = ImageView::raw(pixels.data(), 9, 4, ImageEncoding::rgb8, std::numeric_limits<std::size_t>::max());
    CHECK(refused(view) == "invalid_value image.step");
}

TEST_CASE("an image with padded rows may end with its last pixel or not") {
    const std::vector<std::uint8_t> padded(4 * 32);
    ImageView view = ImageView::raw(padded.data(), 9, 4, ImageEncoding::rgb8, 32);
    CHECK(view.bytes == 3 * 32 + 27);
    CHECK(refused(view).empty());
    view.bytes = padded.size();
    CHECK(refused(view).empty());
}

TEST_CASE("points lie in the image") {
    CHECK(refused(with_points({{0, 0}, {8.9, 3.9}})).empty());
    CHECK(refused(with_points({{1, 1}, {9, 1}})) == "invalid_value prompt.points[1]");
    CHECK(refused(with_points({{1, 4}})) == "invalid_value prompt.points[0]");
    CHECK(refused(with_points({{-0.1, 1}})) == "invalid_value prompt.points[0]");
    CHECK(refused(with_points({{std::nan(""), 1}})) == "invalid_value prompt.points[0]");
    CHECK(refused(with_points(std::vector<maskbus::Point>(1000))).empty());
    CHECK(refused(with_points(std::vector<maskbus::Point>(1001))) == "too_large prompt.points");
    // Of an image that the node holds, the size need not be known here.
    CHECK(wire::segment(wire::HeldImage{"f3"}, with_points({{99, 99}}), {}, "7").ok());
    CHECK(refused(wire::segment(wire::HeldImage{"f3", 9, 4}, with_points({{99, 99}}), {}, "7")) ==
          "invalid_value prompt.points[0]");
    CHECK(refused(wire::segment(wire::SlotImage{{"l", 0, 0}, 9, 4}, with_points({{99, 99}}), {}, "7")) ==
          "invalid_value prompt.points[0]");
}

TEST_CASE("labels are as many as points") {
    Prompt prompt = with_points({{1, 1}, {2, 2}});
    prompt.labels = {1, 0};
    CHECK(refused(prompt).empty());
    prompt.labels = {1};
    CHECK(refused(prompt) == "invalid_value prompt.labels");
    prompt.labels = {1, 2};
    CHECK(refused(prompt) == "invalid_value prompt.labels[1]");
}

TEST_CASE("boxes lie in the image, and several go without points") {
    CHECK(refused(with_boxes({{0, 0, 9, 4}})).empty());
    CHECK(refused(with_boxes({{0, 0, 9.1, 4}})) == "invalid_value prompt.boxes[0]");
    CHECK(refused(with_boxes({{0, 0, 9, 4}, {1, 1, 1, 2}})) == "invalid_value prompt.boxes[1]");
    CHECK(refused(with_boxes({{3, 0, 2, 4}})) == "invalid_value prompt.boxes[0]");
    CHECK(refused(with_boxes({{0, 0, INFINITY, 4}})) == "invalid_value prompt.boxes[0]");
    CHECK(refused(with_boxes(std::vector<maskbus::Box>(257, {0, 0, 1, 1}))) == "too_large prompt.boxes");
    Prompt prompt = with_boxes({{0, 0, 9, 4}});
    prompt.points = {{1, 1}};
    CHECK(refused(prompt).empty());
    prompt.boxes.push_back({0, 0, 1, 1});
    CHECK(refused(prompt) == "invalid_value prompt.points");
}

TEST_CASE("texts say something") {
    Prompt prompt;
    prompt.text = {"a cat", "\xe3\x80\x80"};
    CHECK(refused(prompt) == "invalid_value prompt.text[1]");
    prompt.text = {"\xff"};
    CHECK(refused(prompt) == "invalid_value prompt.text[0]");
    prompt.text = {std::string(1001, 'x')};
    CHECK(refused(prompt) == "too_large prompt.text[0]");
    std::string wide;
    for (int i = 0; i < 1000; ++i) {
        wide += "\xe2\x82\xac";
    }
    prompt.text = {wide};
    CHECK(refused(prompt).empty());
    prompt.text = std::vector<std::string>(65, "x");
    CHECK(refused(prompt) == "too_large prompt.text");
    prompt.text.clear();
    prompt.negative_text = {"a dog"};
    CHECK(refused(prompt) == "invalid_value prompt.negative_text");
}

TEST_CASE("masks to refine are of the image's size") {
    CHECK(refused(with_mask(MaskEncoding::bits, 8)).empty());
    CHECK(refused(with_mask(MaskEncoding::bits, 7)) == "invalid_value prompt.mask");
    CHECK(refused(with_mask(MaskEncoding::raw, 36)).empty());
    CHECK(refused(with_mask(MaskEncoding::raw, 35)) == "invalid_value prompt.mask");
    CHECK(refused(with_mask(MaskEncoding::png, 5)).empty());
    CHECK(refused(with_mask(MaskEncoding::bits, 0)) == "invalid_field prompt.mask");
    CHECK(refused(with_mask(MaskEncoding::bits, 8, "T1")) == "invalid_field prompt.mask.counts");
    CHECK(refused(with_mask(MaskEncoding::rle, 0, "T1")).empty());
    CHECK(refused(with_mask(MaskEncoding::rle, 0, "S1")) == "invalid_value prompt.mask");
    CHECK(refused(with_mask(MaskEncoding::rle, 0)) == "invalid_field prompt.mask.counts");
    CHECK(refused(with_mask(MaskEncoding::rle, 1, "T1")) == "invalid_field prompt.mask");
    CHECK(refused(with_mask(MaskEncoding::polygon, 8)) == "unknown_encoding prompt.mask.encoding");
}

TEST_CASE("logits are finite, and as many as their shape says") {
    CHECK(refused(with_logits(1, 2, {1, -2})).empty());
    CHECK(refused(with_logits(1, 2, {1})) == "invalid_value prompt.logits");
    CHECK(refused(with_logits(1, 2, {})) == "invalid_field prompt.logits");
    CHECK(refused(with_logits(0, 2, {1, 2})) == "invalid_value prompt.logits.shape");
    CHECK(refused(with_logits(1, 4097, {1, 2})) == "invalid_value prompt.logits.shape");
    for (const float wrong : {NAN, INFINITY, -INFINITY}) {
        CHECK(refused(with_logits(1, 2, {1, wrong})) == "invalid_value prompt.logits");
    }
    const float largest = std::numeric_limits<float>::max();
    CHECK(refused(with_logits(1, 4, {largest, -largest, std::numeric_limits<float>::denorm_min(), -0.0F})).empty());
}

TEST_CASE("names, topics and deadlines") {
    SegmentOptions options;
    options.model = std::string(257, 'm');
    CHECK(refused(options) == "too_large model");
    options = {};
    options.frame_id = "\xc3";
    CHECK(refused(options) == "invalid_value frame_id");
    options = {};
    options.publish = "";
    CHECK(refused(options) == "invalid_value publish");
    options.publish = "bits:masks";
    CHECK(refused(options) == "invalid_value publish");
    options = {};
    options.encodings = {MaskEncoding::rle, MaskEncoding::bits, MaskEncoding::rle};
    CHECK(refused(options) == "invalid_value encodings");
    options = {};
    options.options = {{"name", std::string("\xff")}};
    CHECK(refused(options) == "invalid_value options");
    CHECK(refused(wire::segment(picture, {}, {}, std::string(257, 'i'))) == "too_large id");
    CHECK(refused(wire::segment(picture, {}, {}, "7", 0)) == "invalid_value deadline_ms");
    CHECK(refused(wire::segment(picture, {}, {}, "7", 3'600'001)) == "invalid_value deadline_ms");
    CHECK(refused(wire::segment(picture, {}, {}, "7", 3'600'000)).empty());
    CHECK(refused(wire::embed(picture, {}, "7", -1)) == "invalid_value deadline_ms");
    CHECK(refused(wire::cancel("", "7")) == "invalid_value target");
    CHECK(refused(wire::release(std::string(257, 'i'), "7")) == "too_large image_id");
    CHECK(refused(wire::lease(0, 4096, "7")) == "invalid_value slots");
    CHECK(refused(wire::lease(65, 4096, "7")) == "invalid_value slots");
    CHECK(refused(wire::lease(1, 0, "7")) == "invalid_value slot_bytes");
    CHECK(refused(wire::lease(1, std::int64_t{1} << 40, "7")) == "too_large slot_bytes");
    const maskbus::Slot slot{"l", 64, 0};
    CHECK(refused(wire::segment(picture, {}, {}, "7", {}, &slot)) == "invalid_value result.index");
}

TEST_CASE("a request that takes more than its control bytes") {
    SegmentOptions options;
    options.options = {{"long", std::string(300'000, 'x')}};
    CHECK(refused(options) == "too_large options");
    options.options.clear();
    for (int i = 0; i < 70'000; ++i) {
        options.options[std::to_string(i)] = true;
    }
    CHECK(refused(options) == "too_large options");
    Prompt prompt;
    prompt.text = std::vector<std::string>(64, std::string(1000, 'x'));
    CHECK(refused(prompt).empty());
    std::string wide;
    for (int i = 0; i < 1000; ++i) {
        wide += "\xf0\x9f\x98\x80";
    }
    prompt.text = std::vector<std::string>(64, wide);
    prompt.negative_text = prompt.text;
    CHECK(refused(prompt) == "too_large prompt");
}
