#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/options.hpp"
#include "maskbus/segmentation.hpp"

namespace maskbus {

/// Settings of everything mode that differ from the preset's; those left out are the preset's.
struct EverythingSettings {
    /// The grid has this many points along each side of the image, 1 to 256.
    std::optional<std::int64_t> points_per_side = std::nullopt;
    /// Points decoded at once, at most 4096; 0: what suits the model and the device.
    std::optional<std::int64_t> points_per_batch = std::nullopt;
    /// A mask must have more than this `predicted_iou`, 0…1.
    std::optional<double> pred_iou_thresh = std::nullopt;
    /// A mask must have at least this `stability_score`, 0…1.
    std::optional<double> stability_score_thresh = std::nullopt;
    /// By how much the threshold of the logits is shifted to find the stability score, more than 0, at most 100.
    std::optional<double> stability_score_offset = std::nullopt;
    /// Of two masks of one crop whose boxes overlap by more than this IoU, 0…1, the better one stays.
    std::optional<double> box_nms_thresh = std::nullopt;
    /// Layer i of crops looks at the image in 2^i × 2^i overlapping parts as well; 0 to 4 layers.
    std::optional<std::int64_t> crop_n_layers = std::nullopt;
    /// As `box_nms_thresh`, between crops; the smaller crop's mask stays.
    std::optional<double> crop_nms_thresh = std::nullopt;
    /// By how much of the image's shorter side the crops of the first layer overlap, from 0 to less than 1.
    std::optional<double> crop_overlap_ratio = std::nullopt;
    /// In layer i, `points_per_side` is divided by this, 1 to 16, to the power of i.
    std::optional<std::int64_t> crop_n_points_downscale_factor = std::nullopt;
    /// Holes in a mask, and islands beside it, of fewer pixels than this are removed; 0: all are left.
    std::optional<std::int64_t> min_mask_region_area = std::nullopt;
    /// A mask must have at least this many pixels.
    std::optional<std::int64_t> min_area = std::nullopt;
    /// At most so many masks, the largest, up to 65535; 0: all.
    std::optional<std::int64_t> max_masks = std::nullopt;
    /// Whether, where nothing is found, the search is made once more with lower thresholds.
    std::optional<bool> retry = std::nullopt;
};

/// How far a request for everything is.
struct Progress {
    /// Id of the request.
    std::string id;
    /// Points that have been decoded.
    std::int64_t done = 0;
    /// Points in all.
    std::int64_t total = 0;
    /// Candidates found so far, duplicates among them.
    std::int64_t found = 0;
    /// Those found since the last progress. The answer may hold any of them or none.
    std::vector<Mask> masks;
};

/// How to find everything. An aggregate. Fields that are not described here are as in `SegmentOptions`.
struct EverythingOptions {
    Preset preset = Preset::standard;
    EverythingSettings settings = {};
    /// What is called every now and then with how far it is, on the thread of the call. What it throws leaves the call,
    /// after the request has been cancelled. Empty: the node tells nothing.
    std::function<void(const Progress&)> progress = {};
    /// Not `logits`. Hundreds of masks are least as `rle`.
    std::vector<MaskEncoding> encodings = {MaskEncoding::rle};
    std::string model = {};
    bool keep = false;
    Lane lane = Lane::interactive;
    /// 0: the client's, or ten minutes where that names none either.
    std::chrono::milliseconds deadline{0};
    std::optional<std::int64_t> stamp = std::nullopt;
    std::optional<std::string> frame_id = std::nullopt;
    std::optional<std::string> stream = std::nullopt;
    std::optional<std::int64_t> seq = std::nullopt;
    std::optional<std::string> publish = std::nullopt;
    std::string id = {};
    std::optional<Route> route = std::nullopt;
    bool fresh = false;
    std::int64_t max_side = 0;
    std::optional<PostProcessing> post = std::nullopt;
};

}  // namespace maskbus
