#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "maskbus/detail/check_everything.hpp"
#include "maskbus/detail/encode_requests.hpp"
#include "maskbus/names.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// Writes settings of everything mode: those that are there.
class SettingsWriter {
public:
    SettingsWriter(Packer& packer, const EverythingSettings& settings) : map_(packer) {
        write("points_per_side", settings.points_per_side);
        write("points_per_batch", settings.points_per_batch);
        write("pred_iou_thresh", settings.pred_iou_thresh);
        write("stability_score_thresh", settings.stability_score_thresh);
        write("stability_score_offset", settings.stability_score_offset);
        write("box_nms_thresh", settings.box_nms_thresh);
        write("crop_n_layers", settings.crop_n_layers);
        write("crop_nms_thresh", settings.crop_nms_thresh);
        write("crop_overlap_ratio", settings.crop_overlap_ratio);
        write("crop_n_points_downscale_factor", settings.crop_n_points_downscale_factor);
        write("min_mask_region_area", settings.min_mask_region_area);
        write("min_area", settings.min_area);
        write("max_masks", settings.max_masks);
        write("retry", settings.retry);
        map_.end();
    }

    /// Whether there was anything to write.
    [[nodiscard]] static bool needed(const EverythingSettings& settings) {
        return settings.points_per_side || settings.points_per_batch || settings.pred_iou_thresh ||
               settings.stability_score_thresh || settings.stability_score_offset || settings.box_nms_thresh ||
               settings.crop_n_layers || settings.crop_nms_thresh || settings.crop_overlap_ratio ||
               settings.crop_n_points_downscale_factor || settings.min_mask_region_area || settings.min_area ||
               settings.max_masks || settings.retry;
    }

private:
    template <class T>
    void write(std::string_view name, const std::optional<T>& value) {
        if (value) {
            map_.field(name, *value);
        }
    }

    MapWriter map_;
};

}  // namespace maskbus::detail

namespace maskbus::wire {

inline Result<Message> everything(const Image& image, const EverythingOptions& options, std::string_view id,
                                  std::optional<std::int64_t> deadline_ms) {
    detail::Checks checks;
    detail::check_work(checks, options, id, deadline_ms);
    detail::check_image(checks, image);
    detail::check_everything(checks, options);
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::RequestWriter writer("everything", id);
    writer.image(image);
    writer.work(options, deadline_ms);
    writer.masks_wanted(options);
    if (options.preset != Preset::standard) {
        writer.map().field("preset", name_of(options.preset));
    }
    if (detail::SettingsWriter::needed(options.settings)) {
        detail::SettingsWriter(writer.map().key("settings"), options.settings);
    }
    if (options.progress) {
        writer.map().field("progress", true);
    }
    return writer.finish();
}

}  // namespace maskbus::wire
