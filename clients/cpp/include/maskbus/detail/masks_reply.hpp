#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/binary_mask.hpp"
#include "maskbus/bytes.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/replies.hpp"
#include "maskbus/slot.hpp"
#include "maskbus/stream_replies.hpp"
#include "maskbus/tensor.hpp"

namespace maskbus {

/// x, y, width, height in whole pixels, as COCO; all 0 for an empty mask.
struct BoundingBox {
    std::int64_t x = 0;
    std::int64_t y = 0;
    std::int64_t width = 0;
    std::int64_t height = 0;
};

namespace detail {

/// The wire's `Mask`, its blobs found and their sizes compared with what they should be.
struct MaskFields {
    BoundingBox bbox;
    std::int64_t area = 0;
    double predicted_iou = 0;
    double stability_score = 0;
    std::optional<std::string> label;
    std::optional<double> similarity;
    std::optional<double> probability;
    std::optional<Point> point;
    std::optional<BoundingBox> crop_box;
    std::optional<std::int64_t> object_id;
    std::optional<bool> present;
    std::optional<Bytes> rle;  // the counts; their size is that of the image
    std::optional<Bytes> bits;
    std::optional<Bytes> bits_zlib;
    std::optional<Bytes> png;
    std::optional<Bytes> png_base64;
    std::optional<std::vector<std::vector<double>>> polygon;
    std::optional<Bytes> raw;
    std::optional<Tensor> logits;
};

/// The wire's `Masks` and `FoundMasks`.
struct MasksReply {
    std::string id;
    std::string model;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::optional<std::string> image_id;
    bool cached = false;
    Timings timings;
    std::optional<std::int64_t> stamp;
    std::optional<std::string> frame_id;
    std::optional<std::string> stream;
    std::optional<std::int64_t> seq;
    std::vector<std::string> notes;
    std::vector<Attempt> tried;
    bool reused = false;
    std::vector<MaskFields> masks;
    std::vector<std::string> encodings;
    std::optional<Tensor> labels;
    std::optional<Bytes> overlay;
    std::optional<Slot> result;
    std::optional<std::string> topic;
    std::optional<std::int64_t> published;
    bool retained = false;
    std::optional<StreamCounts> counts;
    std::vector<TextScore> scores;
};

}  // namespace detail
}  // namespace maskbus
