#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/slot.hpp"

namespace maskbus::wire {

/// A message to be sent: after the empty delimiter the header, then the attachments.
struct Message {
    std::vector<std::uint8_t> header = {};
    /// Borrow what the request was made of: pixels, mask and logits lie where the caller has them.
    std::vector<Bytes> attachments = {};
};

/// An image that the node keeps.
struct HeldImage {
    std::string_view image_id;
    /// Its pixels, where they are known: prompts are checked against them. 0: not known.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// An image in a slot of shared memory. Width and height as in `HeldImage`.
struct SlotImage {
    Slot slot;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// The picture of a request.
using Image = std::variant<ImageView, HeldImage, SlotImage>;

}  // namespace maskbus::wire
