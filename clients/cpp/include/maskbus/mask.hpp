#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/detail/masks_reply.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/result.hpp"

namespace maskbus {

/// One mask of an answer. Cheap to copy; each copy keeps the whole answer in memory, and may be used by any thread.
///
/// Everything is in pixels of the upright image: x to the right, y down; the first pixel covers 0…1 × 0…1.
class Mask {
public:
    /// x, y, width, height in whole pixels, as COCO; all 0 for an empty mask.
    [[nodiscard]] const BoundingBox& bbox() const noexcept {
        return fields().bbox;
    }
    /// Number of pixels.
    [[nodiscard]] std::int64_t area() const noexcept {
        return fields().area;
    }
    /// The model's own estimate of its overlap with the truth, 0…1.
    [[nodiscard]] double predicted_iou() const noexcept {
        return fields().predicted_iou;
    }
    /// How little the mask changes with the model's threshold, 0…1.
    [[nodiscard]] double stability_score() const noexcept {
        return fields().stability_score;
    }
    /// The text this mask answers to, where text was asked for.
    [[nodiscard]] const std::optional<std::string>& label() const noexcept {
        return fields().label;
    }
    /// How well it answers to that text: the cosine of the angle between what the model makes of both, -1…1.
    [[nodiscard]] std::optional<double> similarity() const noexcept {
        return fields().similarity;
    }
    /// How likely it is, among all masks that were looked at, to be the one that the text means, 0…1.
    [[nodiscard]] std::optional<double> probability() const noexcept {
        return fields().probability;
    }
    /// In everything mode: the point that found it; as a prompt, it finds it again.
    [[nodiscard]] const std::optional<Point>& point() const noexcept {
        return fields().point;
    }
    /// In everything mode: the part of the image that it was found in.
    [[nodiscard]] const std::optional<BoundingBox>& crop_box() const noexcept {
        return fields().crop_box;
    }
    /// In a stream that tracks: which object this is.
    [[nodiscard]] std::optional<std::int64_t> object_id() const noexcept {
        return fields().object_id;
    }
    /// In a stream that tracks: whether the model believes that the object can be seen; false: it has lost it, and the
    /// mask may be empty.
    [[nodiscard]] std::optional<bool> present() const noexcept {
        return fields().present;
    }
    /// Pixels of the mask's sides, those of the image.
    [[nodiscard]] std::uint32_t width() const noexcept {
        return reply_->width;
    }
    [[nodiscard]] std::uint32_t height() const noexcept {
        return reply_->height;
    }

    // What the answer holds of this mask, undecoded; nullopt where it was not asked for.

    /// COCO compressed RLE of [height, width].
    [[nodiscard]] std::optional<Bytes> rle() const {
        return fields().rle;
    }
    /// height rows of ceil(width / 8) bytes, most significant bit first.
    [[nodiscard]] std::optional<Bytes> bits() const {
        return fields().bits;
    }
    /// `bits` as one zlib stream.
    [[nodiscard]] std::optional<Bytes> bits_zlib() const {
        return fields().bits_zlib;
    }
    /// A grey PNG file, 0 and not 0.
    [[nodiscard]] std::optional<Bytes> png() const {
        return fields().png;
    }
    /// The same as Base64 text.
    [[nodiscard]] std::optional<Bytes> png_base64() const {
        return fields().png_base64;
    }
    /// Rings as COCO: x0, y0, x1, y1, …
    [[nodiscard]] const std::optional<std::vector<std::vector<double>>>& polygon() const noexcept {
        return fields().polygon;
    }
    /// height × width bytes, 0 or 255, row by row.
    [[nodiscard]] std::optional<Bytes> raw() const {
        return fields().raw;
    }
    /// float32 [h, w] at the model's own resolution; positive is object.
    [[nodiscard]] const std::optional<Tensor>& logits() const noexcept {
        return fields().logits;
    }

    /// Make pixels of the cheapest encoding that is there: raw, bits, bits+zlib, rle, the label map (which shows of a
    /// mask only what smaller ones leave visible), or the polygon (which is exact to about a pixel).
    ///
    /// Errors: `no_mask` where there is none of these, or only bits+zlib and MASKBUS_WITH_ZLIB was not defined;
    /// `too_large` over `limits.pixels`; `protocol` where the bytes are not what they should be.
    [[nodiscard]] Result<BinaryMask> decode(const Limits& limits = reply_limits) const;

    /// Make pixels of one encoding: rle, bits, bits_zlib, polygon, raw or labels. Errors as `decode`.
    [[nodiscard]] Result<BinaryMask> decode(MaskEncoding encoding, const Limits& limits = reply_limits) const;

    /// Return the mask as a prompt, to refine it: in the encoding that the answer holds, else as `decode` makes it.
    [[nodiscard]] Result<MaskPrompt> to_prompt() const;

    /// Return the logits as a prompt, to refine them. Error: `no_mask` where they were not asked for.
    [[nodiscard]] Result<LogitsPrompt> to_logits_prompt() const;

private:
    friend class Segmentation;

    Mask(std::shared_ptr<const detail::MasksReply> reply, std::size_t index)
        : reply_(std::move(reply)), index_(index) {}

    [[nodiscard]] const detail::MaskFields& fields() const noexcept {
        return reply_->masks[index_];
    }

    std::shared_ptr<const detail::MasksReply> reply_;
    std::size_t index_;
};

}  // namespace maskbus

#include "maskbus/detail/decode_mask.hpp"
