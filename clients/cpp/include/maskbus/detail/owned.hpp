#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// An image and what keeps its pixels in memory.
struct OwnedImage {
    ImageView view;
    std::shared_ptr<const void> owner;

    /// Share the pixels with their owner, or without one copy them.
    [[nodiscard]] static OwnedImage of(ImageView view, std::shared_ptr<const void> owner) {
        if (owner != nullptr || view.data == nullptr || view.bytes == 0) {
            return {view, std::move(owner)};
        }
        const auto* first = static_cast<const std::uint8_t*>(view.data);
        auto copy = std::make_shared<const std::vector<std::uint8_t>>(first, first + view.bytes);
        view.data = copy->data();
        return {view, std::move(copy)};
    }
};

/// Copy what a prompt only borrows.
inline Prompt owned(Prompt prompt) {
    const auto own = [](Bytes& bytes) {
        if (bytes.owner() == nullptr && !bytes.empty()) {
            bytes = Bytes::copy_of(bytes.data(), bytes.size());
        }
    };
    if (prompt.mask) {
        own(prompt.mask->bytes);
    }
    if (prompt.logits) {
        own(prompt.logits->bytes);
    }
    return prompt;
}

/// Have a request keep the memory its attachments lie in, as far as its owner is known: such attachments need neither
/// be copied nor waited for.
inline Result<wire::Message> keeping(Result<wire::Message> message, const OwnedImage& image, const Prompt& prompt) {
    if (!message) {
        return message;
    }
    const auto keep = [&message](const void* data, const std::shared_ptr<const void>& owner) {
        for (Bytes& attachment : message->attachments) {
            if (attachment.owner() == nullptr && owner != nullptr && attachment.data() == data) {
                attachment = Bytes::with_owner(attachment.data(), attachment.size(), owner);
            }
        }
    };
    keep(image.view.data, image.owner);
    if (prompt.mask) {
        keep(prompt.mask->bytes.data(), prompt.mask->bytes.owner());
    }
    if (prompt.logits) {
        keep(prompt.logits->bytes.data(), prompt.logits->bytes.owner());
    }
    return message;
}

}  // namespace maskbus::detail
