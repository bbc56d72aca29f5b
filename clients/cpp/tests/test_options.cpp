#include "maskbus/options.hpp"

#include <doctest/doctest.h>

#include <type_traits>

#include "maskbus/everything.hpp"
#include "maskbus/prompt.hpp"

using maskbus::MaskEncoding;

TEST_CASE("options and prompts are aggregates with defaults") {
    static_assert(std::is_aggregate_v<maskbus::SegmentOptions>);
    static_assert(std::is_aggregate_v<maskbus::EmbedOptions>);
    static_assert(std::is_aggregate_v<maskbus::EverythingOptions>);
    static_assert(std::is_aggregate_v<maskbus::Prompt>);
    static_assert(std::is_aggregate_v<maskbus::Route>);
    static_assert(std::is_aggregate_v<maskbus::PostProcessing>);
    static_assert(std::is_aggregate_v<maskbus::TextOptions>);
    const maskbus::SegmentOptions options;
    CHECK(options.encodings == std::vector<MaskEncoding>{MaskEncoding::bits});
    CHECK(options.lane == maskbus::Lane::interactive);
    CHECK(options.deadline.count() == 0);
    CHECK_FALSE(options.multimask);
    CHECK_FALSE(options.stamp);
    const maskbus::Prompt prompt{{{320, 240}}};
    CHECK(prompt.points.front().y == 240);
    CHECK(prompt.labels.empty());
}

#if __cplusplus >= 202002L

TEST_CASE("C++20 names the fields") {
    const maskbus::SegmentOptions options{
        .encodings = {MaskEncoding::rle}, .multimask = true, .seq = 7, .options = {{"iterations", 5}}};
    CHECK(options.multimask);
    CHECK(options.seq == 7);
    CHECK(std::get<std::int64_t>(options.options.at("iterations")) == 5);
    const maskbus::EverythingOptions dense{.preset = maskbus::Preset::dense, .settings = {.min_area = 100}};
    CHECK(dense.settings.min_area == 100);
    const maskbus::EmbedOptions embed{.model = "grabcut", .frame_id = "camera"};
    CHECK(embed.frame_id == "camera");
    const maskbus::SegmentOptions routed{.route = maskbus::Route{.models = {"a", "b"}, .share = 0.5},
                                         .post = maskbus::PostProcessing{.fill_holes = 9}};
    CHECK(routed.route->models.size() == 2);
    CHECK(routed.post->smooth == 0);
    const maskbus::Prompt prompt{.points = {{.x = 1, .y = 2}}, .boxes = {{.x0 = 0, .y0 = 0, .x1 = 3, .y1 = 3}}};
    CHECK(prompt.boxes.front().x1 == 3);
}

#endif
