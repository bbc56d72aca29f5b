#pragma once

#include <cstdint>
#include <string>

#include "maskbus/detail/checks.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/names.hpp"

namespace maskbus::detail {

inline void check_side(Checks& checks, std::uint32_t side, bool needed, const char* path) {
    if (side > checks.limits.side || (side == 0 && needed)) {
        checks.fail(codes::invalid_value, "A side has 1 to " + std::to_string(checks.limits.side) + " pixels.", path);
    }
}

inline void check_raw(Checks& checks, const ImageView& view) {
    const std::uint64_t row = view.width * std::uint64_t{channels(view.encoding)};
    const std::uint64_t step = view.step == 0 ? row : view.step;
    if (step < row || step > checks.limits.frame_bytes) {
        checks.fail(codes::invalid_value,
                    "A row has " + std::to_string(row) + " bytes; step is " + std::to_string(step) + ".", "image.step");
    }
    if (checks.error) {
        return;
    }
    const std::uint64_t least = step * (view.height - std::uint64_t{1}) + row;
    if (view.bytes < least || view.bytes > step * view.height) {
        checks.fail(codes::invalid_image,
                    "An image of " + std::to_string(view.width) + " × " + std::to_string(view.height) + " pixels, " +
                        std::string(name_of(view.encoding)) + ", takes " + std::to_string(least) + " bytes, not " +
                        std::to_string(view.bytes) + ".",
                    "image");
    }
}

inline void check_file(Checks& checks, const ImageView& view) {
    if (view.step != 0) {
        checks.fail(codes::invalid_field, "Only raw images have a step.", "image.step");
    }
    const auto found = file_encoding(view.data, view.bytes);
    if (!found) {
        checks.fail(codes::invalid_image, "The bytes are no JPEG, PNG or WebP file.", "image");
    } else if (*found != view.encoding) {
        checks.fail(codes::invalid_image,
                    "The file is " + std::string(name_of(*found)) + ", not " + std::string(name_of(view.encoding)) +
                        ".",
                    "image.encoding");
    }
}

inline void check_view(Checks& checks, const ImageView& view) {
    const bool raw = channels(view.encoding) != 0;
    if (view.data == nullptr && view.bytes > 0) {
        checks.fail(codes::invalid_argument, "The image's data is null.", "image");
        return;
    }
    check_side(checks, view.width, raw, "image.width");
    check_side(checks, view.height, raw, "image.height");
    if (pixels_of(view.width, view.height) > checks.limits.pixels) {
        checks.fail(codes::too_large, "The image has more than " + std::to_string(checks.limits.pixels) + " pixels.",
                    "image");
    }
    if (checks.error) {
        return;
    }
    raw ? check_raw(checks, view) : check_file(checks, view);
    if (view.bytes > checks.limits.frame_bytes) {
        checks.fail(codes::too_large,
                    "The image has more than " + std::to_string(checks.limits.frame_bytes) + " bytes.", "image");
    }
}

}  // namespace maskbus::detail
