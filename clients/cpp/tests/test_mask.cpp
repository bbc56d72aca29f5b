#include "maskbus/mask.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "maskbus/wire.hpp"
#include "pictures.hpp"
#include "values.hpp"

using maskbus::Bytes;
using maskbus::MaskEncoding;
using values::List;
using values::Map;

namespace {

const auto picture = pictures::drawn({"##......#", "........#"});
const Map first = {{"attachment", 0}};

maskbus::Segmentation reply_of(const Map& map, Bytes attachment = {}) {
    const auto opened = maskbus::wire::open(values::header(map), {std::move(attachment)});
    REQUIRE(opened);
    return maskbus::wire::segmentation(*opened).value_or_throw();
}

maskbus::Mask mask_of(const char* name, values::Value value, Bytes attachment = {}) {
    return reply_of(values::segment({values::with(values::mask(), name, std::move(value))}), std::move(attachment))
        .masks()
        .front();
}

}  // namespace

TEST_CASE("a mask is made of whichever encoding is there") {
    const auto check = [](const maskbus::Mask& mask, MaskEncoding encoding) {
        REQUIRE(mask.decode());
        CHECK(*mask.decode() == picture);
        REQUIRE(mask.decode(encoding));
        CHECK(*mask.decode(encoding) == picture);
    };
    check(mask_of("raw", first, Bytes::own(picture.pixels)), MaskEncoding::raw);
    check(mask_of("bits", first, Bytes::own(maskbus::bits::encode(picture))), MaskEncoding::bits);
    check(mask_of("rle", Map{{"size", List{2, 9}}, {"counts", maskbus::rle::encode(picture)}}), MaskEncoding::rle);
    check(mask_of("polygon", List{List{0, 0, 2, 0, 2, 1, 0, 1}, List{8, 0, 9, 0, 9, 2, 8, 2}}), MaskEncoding::polygon);
}

TEST_CASE("a label map shows what smaller masks leave visible") {
    const Map labels = {{"attachment", 0}, {"shape", List{2, 9}}, {"dtype", "uint16"}};
    std::vector<std::uint8_t> numbers(36);
    for (std::size_t i = 0; i < 18; ++i) {
        numbers[2 * i] = picture.pixels[i] != 0 ? 2 : 1;
    }
    const Map map = values::with(values::segment({values::mask(), values::mask()}), "labels", labels);
    const auto reply = reply_of(map, Bytes::own(numbers));
    CHECK(*reply.masks()[1].decode() == picture);
    CHECK(reply.masks()[0].decode()->at(2, 0));
    CHECK_FALSE(reply.masks()[0].decode()->at(0, 0));
    CHECK(reply.labels()->number_at(8, 1) == 2);

    numbers[7] = 1;  // 256 + …: a mask that there is not
    CHECK(reply_of(map, Bytes::own(numbers)).masks()[0].decode().error().code == "protocol");
}

TEST_CASE("deflated bits need zlib, and say so") {
    const auto mask = mask_of("bits+zlib", first, Bytes::own({0x78, 0x01}));
    const auto found = mask.decode();
    REQUIRE_FALSE(found);
#ifdef MASKBUS_WITH_ZLIB
    CHECK(found.error().code == "protocol");
    CHECK(found.error().path == "masks[0].bits+zlib");
#else
    CHECK(found.error().code == "no_mask");
    CHECK(found.error().message.find("MASKBUS_WITH_ZLIB") != std::string::npos);
#endif
}

TEST_CASE("what is not there, or is no pixels here") {
    const auto mask = reply_of(values::segment({values::mask()})).masks().front();
    CHECK(mask.decode().error().code == "no_mask");
    for (const MaskEncoding encoding :
         {MaskEncoding::rle, MaskEncoding::bits, MaskEncoding::bits_zlib, MaskEncoding::png, MaskEncoding::png_base64,
          MaskEncoding::polygon, MaskEncoding::raw, MaskEncoding::labels, MaskEncoding::logits,
          MaskEncoding::overlay}) {
        CHECK(mask.decode(encoding).error().code == "no_mask");
    }
    CHECK(mask.to_prompt().error().code == "no_mask");
    CHECK(mask.to_logits_prompt().error().code == "no_mask");
    CHECK(mask_of("png", first, Bytes::own({1})).decode().error().code == "no_mask");
}

TEST_CASE("bytes that are no mask are the node's fault, and say where") {
    const auto found = mask_of("rle", Map{{"size", List{2, 9}}, {"counts", "0"}}).decode();
    CHECK(found.error().code == "protocol");
    CHECK(found.error().path == "masks[0].rle");
    CHECK(mask_of("polygon", List{List{1, 2, 3}}).decode().error().path == "masks[0].polygon");
    maskbus::Limits limits;
    limits.pixels = 17;
    CHECK(mask_of("raw", first, Bytes::own(picture.pixels)).decode(limits).error().code == "too_large");
}

TEST_CASE("a short reply makes no large mask") {
    Map map = values::with(values::segment({}), "width", std::int64_t{0xFFFFFFFF});
    map = values::with(map, "height", std::int64_t{0xFFFFFFFF});
    const Map rle = {{"size", List{std::int64_t{0xFFFFFFFF}, std::int64_t{0xFFFFFFFF}}}, {"counts", "0"}};
    const Map ring = values::with(values::mask(), "polygon", List{List{0, 0, 1, 0, 1, 1}});
    const auto reply = reply_of(values::with(map, "masks", List{values::with(values::mask(), "rle", rle), ring}));
    CHECK(reply.masks()[0].decode().error().code == "too_large");
    CHECK(reply.masks()[1].decode().error().code == "too_large");
}

TEST_CASE("a mask and its logits can be sent again") {
    const Bytes bits = Bytes::own(maskbus::bits::encode(picture));
    const auto prompt = mask_of("bits", first, bits).to_prompt();
    REQUIRE(prompt);
    CHECK(prompt->encoding == MaskEncoding::bits);
    CHECK(prompt->bytes.data() == bits.data());

    const List rings = {List{0, 0, 2, 0, 2, 1, 0, 1}, List{8, 0, 9, 0, 9, 2, 8, 2}};
    const auto traced = mask_of("polygon", rings).to_prompt();
    REQUIRE(traced);
    CHECK(traced->encoding == MaskEncoding::bits);
    CHECK(*maskbus::bits::decode(traced->bytes, 9, 2) == picture);

    const Map rle = {{"size", List{2, 9}}, {"counts", maskbus::rle::encode(picture)}};
    const auto counts = mask_of("rle", rle).to_prompt();
    REQUIRE(counts);
    CHECK(counts->counts == maskbus::rle::encode(picture));
    CHECK(counts->bytes.empty());

    const Map tensor = {{"attachment", 0}, {"shape", List{1, 2}}, {"dtype", "float32"}};
    const auto mask = mask_of("logits", tensor, Bytes::own({0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0}));
    CHECK(mask.logits()->at(0, 0) == 1.0F);
    CHECK(mask.logits()->at(1, 0) == -2.0F);
    const auto logits = mask.to_logits_prompt();
    REQUIRE(logits);
    CHECK(logits->shape == std::array<int, 2>{1, 2});
    CHECK(logits->bytes.size() == 8);
}
