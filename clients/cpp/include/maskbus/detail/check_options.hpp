#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "maskbus/detail/checks.hpp"
#include "maskbus/post_processing.hpp"
#include "maskbus/route.hpp"
#include "maskbus/text_options.hpp"

namespace maskbus::detail {

/// Check that a number lies in a range; what is left out does.
template <class Number>
void check_range(Checks& checks, const std::optional<Number>& value, Number least, Number most, const char* path) {
    // Also what NaN fails.
    if (value && !(*value >= least && *value <= most)) {
        checks.fail(codes::invalid_value, "The number is out of range.", path);
    }
}

/// Check which models are to be tried.
inline void check_route(Checks& checks, const std::optional<Route>& route) {
    constexpr std::size_t most_models = 16;
    if (!route) {
        return;
    }
    const auto& models = route->models;
    if (models.size() > most_models) {
        checks.fail(codes::too_large,
                    std::to_string(models.size()) + " models; the limit is " + std::to_string(most_models) + ".",
                    "route.models");
    }
    for (auto name = models.begin(); name != models.end() && !checks.error; ++name) {
        const std::string path = "route.models[" + std::to_string(name - models.begin()) + "]";
        checks.name(*name, path);
        if (name->empty()) {
            checks.fail(codes::invalid_value, "The name is empty.", path);
        } else if (std::find(models.begin(), name, *name) != name) {
            checks.fail(codes::invalid_value, "The model stands there twice.", path);
        }
    }
    check_range(checks, route->min_predicted_iou, 0.0, 1.0, "route.min_predicted_iou");
    check_range(checks, route->share, 0.0, 1.0, "route.share");
    if (route->share == 0.0) {
        checks.fail(codes::invalid_value, "A share is more than 0.", "route.share");
    }
}

/// Check to what size an image is brought.
inline void check_max_side(Checks& checks, std::int64_t max_side) {
    constexpr std::int64_t least = 64;
    constexpr std::int64_t most = 32'767;
    if (max_side != 0 && (max_side < least || max_side > most)) {
        checks.fail(codes::invalid_value,
                    "A side is " + std::to_string(least) + " to " + std::to_string(most) + " pixels, or 0.",
                    "max_side");
    }
}

/// The most masks that one question is about.
inline constexpr std::int64_t most_masks = 65'535;

/// Check what is done to masks.
inline void check_post(Checks& checks, const std::optional<PostProcessing>& post) {
    constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
    constexpr double farthest = 64;
    if (!post) {
        return;
    }
    check_range<std::int64_t>(checks, post->fill_holes, 0, any, "post.fill_holes");
    check_range<std::int64_t>(checks, post->remove_islands, 0, any, "post.remove_islands");
    check_range<double>(checks, post->smooth, 0, farthest, "post.smooth");
    check_range<std::int64_t>(checks, post->min_area, 0, any, "post.min_area");
    check_range<std::int64_t>(checks, post->max_contours, 0, most_masks, "post.max_contours");
    check_range<double>(checks, post->max_error, 0, farthest, "post.max_error");
}

/// Check how masks are chosen by text.
inline void check_text_options(Checks& checks, const std::optional<TextOptions>& options) {
    constexpr double widest = 4;
    if (!options) {
        return;
    }
    const bool top = options->select == TextSelect::top;
    if (options->threshold && top) {
        checks.fail(codes::invalid_value, "The best few have no threshold.", "text_options.threshold");
    }
    const double least = options->select == TextSelect::cosine ? -1 : 0;
    check_range(checks, options->threshold, least, 1.0, "text_options.threshold");
    if (options->top && !top) {
        checks.fail(codes::invalid_value, "Only TextSelect::top says how many.", "text_options.top");
    }
    check_range<std::int64_t>(checks, options->top, 1, most_masks, "text_options.top");
    check_range(checks, options->margin, 0.0, widest, "text_options.margin");
}

}  // namespace maskbus::detail
