#include "maskbus/segmentation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "maskbus/wire.hpp"
#include "values.hpp"

using values::List;
using values::Map;

namespace {

maskbus::Segmentation reply_of(const Map& map) {
    const auto opened = maskbus::wire::open(values::header(map), {});
    REQUIRE(opened);
    return maskbus::wire::segmentation(*opened).value_or_throw();
}

Map scored(values::Value iou, int area) {
    return values::with(values::with(values::mask(), "predicted_iou", std::move(iou)), "area", area);
}

}  // namespace

TEST_CASE("the best mask is the one of the highest predicted_iou, the first of equals") {
    const auto reply = reply_of(values::segment({scored(0.5, 1), scored(0.9, 2), scored(0.9, 3), scored(0.1, 4)}));
    CHECK(reply.best()->area() == 2);
    CHECK(reply_of(values::segment({})).best().error().code == "no_mask");
}

TEST_CASE("what a published message says of itself") {
    Map map = values::segment({values::mask()});
    map = values::with(map, "topic", "masks/front");
    map = values::with(map, "published", 41);
    map = values::with(map, "retained", true);
    map = values::with(map, "stream", "front");
    const auto reply = reply_of(values::without(map, "id"));
    CHECK(reply.id().empty());
    CHECK(reply.topic() == "masks/front");
    CHECK(reply.published() == 41);
    CHECK(reply.retained());
    CHECK(reply.stream() == "front");
    CHECK_FALSE(reply.seq());
    CHECK_FALSE(reply.image_id());
    CHECK_FALSE(reply.overlay());
}

TEST_CASE("copies share what they are of") {
    const auto reply = reply_of(values::segment({values::mask()}));
    const auto copy = reply;
    CHECK(&copy.model() == &reply.model());
    CHECK(copy.masks()[0].area() == 4);
}
