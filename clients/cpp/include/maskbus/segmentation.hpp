#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "maskbus/mask.hpp"

namespace maskbus {

/// The masks of one image, as an answer or as published. Owns the frames that its masks are views of; cheap to copy,
/// each copy shares them. Never changes, so any number of threads may read it.
class Segmentation {
public:
    explicit Segmentation(detail::MasksReply reply)
        : reply_(std::make_shared<const detail::MasksReply>(std::move(reply))) {
        masks_.reserve(reply_->masks.size());
        for (std::size_t i = 0; i < reply_->masks.size(); ++i) {
            masks_.push_back(Mask(reply_, i));
        }
    }

    /// Id of the request; empty on published ones.
    [[nodiscard]] const std::string& id() const noexcept {
        return reply_->id;
    }
    /// Name of the model that answered.
    [[nodiscard]] const std::string& model() const noexcept {
        return reply_->model;
    }
    /// Pixels of the upright image.
    [[nodiscard]] std::uint32_t width() const noexcept {
        return reply_->width;
    }
    [[nodiscard]] std::uint32_t height() const noexcept {
        return reply_->height;
    }
    /// Reference to the image where the node keeps it.
    [[nodiscard]] const std::optional<std::string>& image_id() const noexcept {
        return reply_->image_id;
    }
    /// Whether the image's embedding was there already.
    [[nodiscard]] bool cached() const noexcept {
        return reply_->cached;
    }
    [[nodiscard]] const Timings& timings() const noexcept {
        return reply_->timings;
    }
    /// This and the next three as the request had them.
    [[nodiscard]] std::optional<std::int64_t> stamp() const noexcept {
        return reply_->stamp;
    }
    [[nodiscard]] const std::optional<std::string>& frame_id() const noexcept {
        return reply_->frame_id;
    }
    [[nodiscard]] const std::optional<std::string>& stream() const noexcept {
        return reply_->stream;
    }
    [[nodiscard]] std::optional<std::int64_t> seq() const noexcept {
        return reply_->seq;
    }
    /// What the node did otherwise than asked, a sentence each, for a person.
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept {
        return reply_->notes;
    }
    /// Where a route was asked: the models that were to answer before this one, and why they have not.
    [[nodiscard]] const std::vector<Attempt>& tried() const noexcept {
        return reply_->tried;
    }
    /// Whether the node had this answer already, so that nothing was computed.
    [[nodiscard]] bool reused() const noexcept {
        return reply_->reused;
    }
    /// Where text was asked for: how each text has fared, in their order, also where nothing was found.
    [[nodiscard]] const std::vector<TextScore>& scores() const noexcept {
        return reply_->scores;
    }
    /// The encodings this message holds, by the wire's names.
    [[nodiscard]] const std::vector<std::string>& encodings() const noexcept {
        return reply_->encodings;
    }
    /// On published messages: the topic that was asked for, without an encoding before it.
    [[nodiscard]] const std::optional<std::string>& topic() const noexcept {
        return reply_->topic;
    }
    /// On published messages: a number that no other message of this run of the node has.
    [[nodiscard]] std::optional<std::int64_t> published() const noexcept {
        return reply_->published;
    }
    /// On published messages: whether this is the topic's last value, sent again for a late joiner.
    [[nodiscard]] bool retained() const noexcept {
        return reply_->retained;
    }
    /// On results of a stream: what had become of its frames when this one's turn came.
    [[nodiscard]] const std::optional<StreamCounts>& counts() const noexcept {
        return reply_->counts;
    }
    /// The slot of shared memory that bytes of this answer are in, where one was given for them.
    [[nodiscard]] const std::optional<Slot>& result() const noexcept {
        return reply_->result;
    }

    /// The masks, in the order of the prompt's boxes or texts; where they compete, the best is first. In everything
    /// mode the largest is first. May be none.
    [[nodiscard]] const std::vector<Mask>& masks() const noexcept {
        return masks_;
    }

    /// Return the mask with the highest predicted_iou, the first of equals. Error: `no_mask`.
    [[nodiscard]] Result<Mask> best() const {
        if (masks_.empty()) {
            return Error{codes::no_mask, "The answer has no masks."};
        }
        const Mask* found = &masks_.front();
        for (const Mask& mask : masks_) {
            if (mask.predicted_iou() > found->predicted_iou()) {
                found = &mask;
            }
        }
        return *found;
    }

    /// The label map, uint8 or uint16 [height, width]: 0 is background, i + 1 is masks()[i]; small ones lie on top.
    [[nodiscard]] const std::optional<Tensor>& labels() const noexcept {
        return reply_->labels;
    }
    /// The image with the masks painted over it, a PNG file.
    [[nodiscard]] std::optional<Bytes> overlay() const {
        return reply_->overlay;
    }

private:
    std::shared_ptr<const detail::MasksReply> reply_;
    std::vector<Mask> masks_;
};

}  // namespace maskbus
