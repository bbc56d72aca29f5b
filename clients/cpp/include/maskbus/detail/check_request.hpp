#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "maskbus/detail/check_image.hpp"
#include "maskbus/detail/check_options.hpp"
#include "maskbus/detail/check_prompt.hpp"
#include "maskbus/detail/checks.hpp"
#include "maskbus/message.hpp"
#include "maskbus/options.hpp"

namespace maskbus::detail {

/// The pixels of a request's image; 0 where they are not known.
struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

inline Size size_of_image(const wire::Image& image) {
    return std::visit([](const auto& picture) { return Size{picture.width, picture.height}; }, image);
}

inline void check_image(Checks& checks, const wire::Image& image) {
    if (const auto* view = std::get_if<ImageView>(&image)) {
        check_view(checks, *view);
    } else if (const auto* held = std::get_if<wire::HeldImage>(&image)) {
        checks.name(held->image_id, "image.image_id");
    } else if (const auto* slot = std::get_if<wire::SlotImage>(&image)) {
        check_slot(checks, slot->slot, "image.slot");
    }
}

/// What the options of all operations that need a model share.
template <class Options>
void check_work(Checks& checks, const Options& options, std::string_view id, std::optional<std::int64_t> deadline_ms) {
    checks.name(id, "id");
    checks.name(options.model, "model");
    check_route(checks, options.route);
    checks.optional_name(options.frame_id, "frame_id");
    checks.optional_name(options.stream, "stream");
    if (deadline_ms && (*deadline_ms < 1 || *deadline_ms > checks.limits.deadline_ms)) {
        checks.fail(codes::invalid_value,
                    "A deadline lies between 1 and " + std::to_string(checks.limits.deadline_ms) + " ms.",
                    "deadline_ms");
    }
}

/// How masks are wanted.
inline void check_encodings(Checks& checks, const std::vector<MaskEncoding>& encodings) {
    std::uint32_t seen = 0;
    for (const MaskEncoding encoding : encodings) {
        const std::uint32_t bit = std::uint32_t{1} << static_cast<unsigned>(encoding);
        if ((seen & bit) != 0) {
            checks.fail(codes::invalid_value, "An encoding is named twice.", "encodings");
        }
        seen |= bit;
    }
}

/// What the options of the operations that answer masks share.
template <class Options>
void check_masks_wanted(Checks& checks, const Options& options) {
    if (options.publish) {
        checks.name(*options.publish, "publish");
        if (options.publish->empty() || options.publish->find(':') != std::string::npos) {
            checks.fail(codes::invalid_value, "A topic has at least one character and no \":\".", "publish");
        }
    }
    check_encodings(checks, options.encodings);
    check_max_side(checks, options.max_side);
    check_post(checks, options.post);
}

/// The model's own options.
inline void check_own_options(Checks& checks, const std::map<std::string, OptionValue>& options) {
    if (2 * options.size() > checks.limits.header_objects) {
        checks.fail(codes::too_large, "There are more options than a header may hold.", "options");
    }
    for (const auto& [name, value] : options) {
        const auto* text = std::get_if<std::string>(&value);
        if (!is_utf8(name) || (text != nullptr && !is_utf8(*text))) {
            checks.fail(codes::invalid_value, "The text is not UTF-8.", "options");
        }
    }
}

inline void check_options(Checks& checks, const SegmentOptions& options) {
    check_masks_wanted(checks, options);
    check_own_options(checks, options.options);
}

}  // namespace maskbus::detail
