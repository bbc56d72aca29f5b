#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "maskbus/wire.hpp"
#include "values.hpp"

namespace wire = maskbus::wire;
using maskbus::Bytes;
using values::List;
using values::Map;

namespace {

maskbus::Result<maskbus::Segmentation> read(const Map& map, std::vector<Bytes> attachments = {}, Bytes shared = {}) {
    const auto opened = wire::open(values::header(map), std::move(attachments));
    REQUIRE(opened);
    return wire::segmentation(*opened, shared);
}

/// Return the path of what is wrong; all of it is `protocol`.
std::string wrong(const Map& map, std::vector<Bytes> attachments = {}) {
    const auto found = read(map, std::move(attachments));
    if (found) {
        return "nothing";
    }
    CHECK(found.error().code == "protocol");
    return found.error().path;
}

const Map pong = {{"maskbus", "1.0"},
                  {"reply", "ping"},
                  {"id", "1"},
                  {"node", "a1"},
                  {"version", "0.1"},
                  {"uptime_s", 3.5},
                  {"endpoints", List{"tcp://x"}},
                  {"publish_endpoints", List{}}};

}  // namespace

TEST_CASE("a reply of a later minor, with fields from the future at every depth") {
    Map mask = values::mask();
    mask.insert(mask.begin(), {"colour", Map{{"deep", List{nullptr, Map{{"x", values::Data{1}}}}}}});
    Map map = values::segment({mask});
    map = values::with(map, "maskbus", "1.99");
    map.insert(map.begin(), {"mood", List{1.5, true}});
    map.emplace_back("timings", Map{{"total_ms", 5}, {"dream_ms", "long"}});
    const auto found = read(map);
    REQUIRE(found);
    CHECK(found->masks().size() == 1);
    CHECK(found->timings().total_ms == 5.0);
}

TEST_CASE("the order of keys means nothing") {
    Map map = values::segment({values::mask()});
    std::reverse(map.begin(), map.end());
    const auto found = read(map);
    REQUIRE(found);
    CHECK(found->width() == 9);
    CHECK(found->masks()[0].bbox().width == 9);
}

TEST_CASE("numbers of any width, and nil for left out") {
    Map mask = values::with(values::mask(), "predicted_iou", 1);
    mask = values::with(mask, "label", nullptr);
    mask = values::with(mask, "bits", nullptr);
    Map map = values::with(values::segment({mask}), "stamp", std::numeric_limits<std::int64_t>::min());
    map = values::with(map, "labels", nullptr);
    const auto found = read(map);
    REQUIRE(found);
    CHECK(found->stamp() == std::numeric_limits<std::int64_t>::min());
    CHECK(found->masks()[0].predicted_iou() == 1.0);
    CHECK_FALSE(found->masks()[0].label());

    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    packer.pack_map(2).pack(std::string("a"));
    packer.pack_fix_int64(7);
    packer.pack(std::string("b")).pack_float(0.5F);
    const auto wide = wire::open(Bytes::copy_of(buffer.data(), buffer.size()), {});
    REQUIRE(wide);
    maskbus::detail::Reading in{*wide};
    const maskbus::detail::Where where;
    const maskbus::detail::Fields fields(in, wide->header(), where);
    std::int64_t number = 0;
    double part = 0;
    fields.required("a", number);
    fields.required("b", part);
    CHECK_FALSE(in.error);
    CHECK(number == 7);
    CHECK(part == 0.5);
}

TEST_CASE("there is no conversion beyond that") {
    CHECK(wrong(values::with(values::segment({}), "width", "9")) == "width");
    CHECK(wrong(values::with(values::segment({}), "width", 9.0)) == "width");
    CHECK(wrong(values::with(values::segment({}), "width", -1)) == "width");
    CHECK(wrong(values::with(values::segment({}), "width", std::int64_t{1} << 32)) == "width");
    CHECK(wrong(values::with(values::segment({}), "cached", 1)) == "cached");
    CHECK(wrong(values::with(values::segment({}), "model", values::Data{1})) == "model");
    CHECK(wrong(values::with(values::segment({}), "masks", Map{})) == "masks");
    CHECK(wrong(values::with(values::segment({}), "timings", List{})) == "timings");
    CHECK(wrong(values::segment({values::Value(5)})) == "masks[0]");
    CHECK(wrong(values::segment({values::mask(), values::without(values::mask(), "area")})) == "masks[1].area");
    CHECK(wrong(values::segment({values::with(values::mask(), "bbox", List{0, 0, 1})})) == "masks[0].bbox");
    CHECK(wrong(values::segment({values::with(values::mask(), "bbox", List{0, 0, 1.0, 1})})) == "masks[0].bbox[2]");
    CHECK(wrong(values::without(values::segment({}), "masks")) == "masks");
    CHECK(wrong(values::segment({values::with(values::mask(), "polygon", List{List{0, "1"}})})) ==
          "masks[0].polygon[0][1]");
}

TEST_CASE("bytes are found where they are") {
    const Bytes four = Bytes::own({1, 2, 3, 4});
    const auto with_bits = [](Map blob) {
        return values::segment({values::with(values::mask(), "bits", std::move(blob))});
    };
    CHECK(read(with_bits({{"attachment", 1}}), {Bytes(), four})->masks()[0].bits()->data() == four.data());
    CHECK(read(with_bits({{"data", values::Data{1, 2, 3, 4}}}))->masks()[0].bits()->size() == 4);
    CHECK(read(with_bits({{"base64", "AQIDBA=="}}))->masks()[0].bits()->data()[3] == 4);
    CHECK(read(with_bits({{"shared", List{2, 4}}}), {}, Bytes::own({9, 9, 5, 6, 7, 8}))->masks()[0].bits()->data()[0] ==
          5);
    CHECK(wrong(with_bits({})) == "masks[0].bits");
    CHECK(wrong(with_bits({{"attachment", 0}, {"base64", "AQIDBA=="}}), {four}) == "masks[0].bits");
    CHECK(wrong(with_bits({{"attachment", 1}}), {four}) == "masks[0].bits.attachment");
    CHECK(wrong(with_bits({{"attachment", -1}}), {four}) == "masks[0].bits.attachment");
    CHECK(wrong(with_bits({{"attachment", std::numeric_limits<std::int64_t>::max()}}), {four}) ==
          "masks[0].bits.attachment");
    CHECK(wrong(with_bits({{"data", "text"}})) == "masks[0].bits.data");
    CHECK(wrong(with_bits({{"base64", "AQIDBA="}})) == "masks[0].bits.base64");
    // No slot was given for this reply.
    CHECK(wrong(with_bits({{"shared", List{0, 4}}})) == "masks[0].bits.shared");
}

TEST_CASE("shared bytes lie within their slot") {
    const auto path = [](std::int64_t offset, std::int64_t length) {
        const Map blob = {{"shared", List{offset, length}}};
        const auto found = read(values::segment({values::with(values::mask(), "png", blob)}), {},
                                Bytes::own(std::vector<std::uint8_t>(100)));
        return found ? "" : found.error().path;
    };
    constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
    CHECK(path(0, 100).empty());
    CHECK(path(100, 0).empty());
    for (const auto& [offset, length] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {0, 101}, {101, 0}, {-1, 5}, {5, -1}, {largest, 2}, {2, largest}, {largest, largest}, {1, 100}}) {
        CHECK(path(offset, length) == "masks[0].png.shared");
    }
}

TEST_CASE("announced sizes are compared with the real ones") {
    const auto mask = [](const char* name, values::Value value) {
        return values::segment({values::with(values::mask(), name, std::move(value))});
    };
    const Map first = {{"attachment", 0}};
    const auto bytes = [](std::size_t size) { return std::vector<Bytes>{Bytes::own(std::vector<std::uint8_t>(size))}; };
    CHECK(wrong(mask("bits", first), bytes(4)) == "nothing");
    CHECK(wrong(mask("bits", first), bytes(3)) == "masks[0].bits");
    CHECK(wrong(mask("raw", first), bytes(18)) == "nothing");
    CHECK(wrong(mask("raw", first), bytes(19)) == "masks[0].raw");
    CHECK(wrong(mask("rle", Map{{"size", List{2, 9}}, {"counts", "b0"}})) == "nothing");
    CHECK(wrong(mask("rle", Map{{"size", List{9, 2}}, {"counts", "b0"}})) == "masks[0].rle.size");
    CHECK(wrong(mask("rle", Map{{"size", List{2, 9}}})) == "masks[0].rle.counts");

    const auto tensor = [](List shape, const char* dtype) {
        return Map{{"attachment", 0}, {"shape", std::move(shape)}, {"dtype", dtype}};
    };
    CHECK(wrong(mask("logits", tensor({2, 3}, "float32")), bytes(24)) == "nothing");
    CHECK(wrong(mask("logits", tensor({2, 3}, "float32")), bytes(23)) == "masks[0].logits");
    CHECK(wrong(mask("logits", tensor({2, 3}, "uint8")), bytes(6)) == "masks[0].logits");
    CHECK(wrong(mask("logits", tensor({6}, "float32")), bytes(24)) == "masks[0].logits.shape");
    CHECK(wrong(mask("logits", tensor({0, 3}, "float32")), bytes(0)) == "masks[0].logits.shape");
    CHECK(wrong(mask("logits", tensor({std::int64_t{1} << 31, std::int64_t{1} << 31}, "float32")), bytes(0)) ==
          "masks[0].logits.shape");
    CHECK(wrong(mask("logits", tensor({1, 3}, "float16")), bytes(6)) == "masks[0].logits.dtype");
    CHECK(wrong(values::with(values::segment({}), "labels", tensor({2, 9}, "uint16")), bytes(36)) == "nothing");
    CHECK(wrong(values::with(values::segment({}), "labels", tensor({9, 2}, "uint16")), bytes(36)) == "labels");
    CHECK(wrong(values::with(values::segment({}), "labels", tensor({2, 9}, "float32")), bytes(72)) == "labels");
}

TEST_CASE("an error reply is the node's error, whatever its code") {
    const Map map = {{"maskbus", "1.1"}, {"reply", "error"}, {"id", "7"},        {"code", "on_strike"},
                     {"message", "No."}, {"path", "prompt"}, {"queue_length", 8}};
    const auto opened = wire::open(values::header(map), {});
    REQUIRE(opened);
    const auto found = wire::pong(*opened);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == "on_strike");
    CHECK(found.error().message == "No.");
    CHECK(found.error().path == "prompt");
    CHECK(found.error().queue_length == 8);
    CHECK(wire::error_reply(*opened)->id == "7");
    // An error that is itself broken is not passed on as one of the node's.
    CHECK(wrong(values::without(map, "code")) == "code");
}

TEST_CASE("versions, and replies that are not due") {
    const auto told = [](const Map& map) {
        const auto opened = wire::open(values::header(map), {});
        REQUIRE(opened);
        const auto found = wire::pong(*opened);
        return found ? "" : found.error().code + " " + found.error().path;
    };
    CHECK(told(pong).empty());
    for (const values::Value& version : List{"2.0", "0.9", 1, 1.0, nullptr, "1", "1.", ".1", "1.0.0", " 1.0", "1.x",
                                             "11111111111111.1", "99999999999999999.0"}) {
        CHECK(told(values::with(pong, "maskbus", version)) == "protocol maskbus");
    }
    CHECK(told(values::without(pong, "maskbus")) == "protocol maskbus");
    CHECK(told(values::with(pong, "reply", "stats")) == "protocol ");
    CHECK(told(values::with(pong, "reply", "later")) == "protocol reply");
    CHECK(told(values::without(pong, "reply")) == "protocol reply");
    CHECK(told(values::without(pong, "node")) == "protocol node");
    CHECK(wire::open(Bytes::copy_of("\xc0", 1), {}).error().code == "protocol");
}

TEST_CASE("the frames live as long as what is made of them, and no longer") {
    auto frame = std::make_shared<std::vector<std::uint8_t>>(4);
    const std::weak_ptr<std::vector<std::uint8_t>> watched = frame;
    maskbus::Result<maskbus::Mask> kept = maskbus::Error{"none", "Yet."};
    {
        const std::uint8_t* data = frame->data();
        const Bytes bytes = Bytes::with_owner(data, 4, std::move(frame));
        const auto found =
            read(values::segment({values::with(values::mask(), "bits", Map{{"attachment", 0}})}), {bytes});
        REQUIRE(found);
        kept = found->best();
    }
    REQUIRE(kept);
    CHECK_FALSE(watched.expired());
    CHECK(kept->decode()->pixels.size() == 18);
    kept = maskbus::Error{"none", "Any more."};
    CHECK(watched.expired());
}
