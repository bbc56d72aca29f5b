#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "maskbus/detail/check_request.hpp"
#include "maskbus/everything.hpp"

namespace maskbus::detail {

/// Checks settings of everything mode, each against the least and the most that it may be.
struct SettingChecks {
    Checks& checks;

    template <class Number>
    void between(const std::optional<Number>& value, Number least, Number most, const char* name) const {
        // Also what NaN fails.
        if (value && !(*value >= least && *value <= most)) {
            fail("The number is out of range.", name);
        }
    }
    void share(const std::optional<double>& value, const char* name) const {
        between(value, 0.0, 1.0, name);
    }
    void fail(const char* sentence, const char* name) const {
        checks.fail(codes::invalid_value, sentence, std::string("settings.") + name);
    }
};

/// Return the points of the image and of all its crops together.
inline std::int64_t count_points(std::int64_t side, std::int64_t layers, std::int64_t downscale) {
    std::int64_t total = 0;
    std::int64_t crops = 1;
    std::int64_t divisor = 1;
    for (std::int64_t layer = 0; layer <= layers; ++layer) {
        const std::int64_t points = std::max<std::int64_t>(1, side / divisor);
        total += crops * points * points;
        crops *= 4;
        divisor *= downscale;
    }
    return total;
}

inline std::int64_t points_per_side(Preset preset) {
    switch (preset) {
        case Preset::dense:
            return 64;
        case Preset::fast:
            return 16;
        case Preset::standard:
            break;
    }
    return 32;
}

inline void check_settings(Checks& checks, Preset preset, const EverythingSettings& settings) {
    constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
    const SettingChecks each{checks};
    each.between<std::int64_t>(settings.points_per_side, 1, 256, "points_per_side");
    each.between<std::int64_t>(settings.points_per_batch, 0, 4096, "points_per_batch");
    each.share(settings.pred_iou_thresh, "pred_iou_thresh");
    each.share(settings.stability_score_thresh, "stability_score_thresh");
    each.between(settings.stability_score_offset, 0.0, 100.0, "stability_score_offset");
    each.share(settings.box_nms_thresh, "box_nms_thresh");
    each.between<std::int64_t>(settings.crop_n_layers, 0, 4, "crop_n_layers");
    each.share(settings.crop_nms_thresh, "crop_nms_thresh");
    each.share(settings.crop_overlap_ratio, "crop_overlap_ratio");
    each.between<std::int64_t>(settings.crop_n_points_downscale_factor, 1, 16, "crop_n_points_downscale_factor");
    each.between<std::int64_t>(settings.min_mask_region_area, 0, any, "min_mask_region_area");
    each.between<std::int64_t>(settings.min_area, 0, any, "min_area");
    each.between<std::int64_t>(settings.max_masks, 0, 65'535, "max_masks");
    if (settings.stability_score_offset == 0.0) {
        each.fail("The offset is more than 0.", "stability_score_offset");
    }
    if (settings.crop_overlap_ratio == 1.0) {
        each.fail("Crops overlap by less than the whole.", "crop_overlap_ratio");
    }
    if (checks.error) {
        return;
    }
    const std::int64_t points =
        count_points(settings.points_per_side.value_or(points_per_side(preset)), settings.crop_n_layers.value_or(0),
                     settings.crop_n_points_downscale_factor.value_or(1));
    if (points > checks.limits.grid_points) {
        checks.fail(codes::too_large,
                    std::to_string(points) + " points in all; the limit is " +
                        std::to_string(checks.limits.grid_points) + ".",
                    "settings");
    }
}

inline void check_everything(Checks& checks, const EverythingOptions& options) {
    check_masks_wanted(checks, options);
    const auto logits = std::find(options.encodings.begin(), options.encodings.end(), MaskEncoding::logits);
    if (logits != options.encodings.end()) {
        checks.fail(codes::unknown_encoding, "Everything mode answers no logits.",
                    "encodings[" + std::to_string(logits - options.encodings.begin()) + "]");
    }
    check_settings(checks, options.preset, options.settings);
}

}  // namespace maskbus::detail
