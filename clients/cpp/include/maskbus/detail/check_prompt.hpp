#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "maskbus/detail/checks.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/rle.hpp"

namespace maskbus::detail {

/// Where a prompt stands in its message; made into the path of one of its fields where something is wrong.
struct PromptPath {
    std::string_view path;

    [[nodiscard]] std::string of(const char* name) const {
        return std::string(path) + "." + name;
    }
    [[nodiscard]] std::string of(const char* name, std::size_t index) const {
        return of(name) + "[" + std::to_string(index) + "]";
    }
};

inline void check_count(Checks& checks, std::size_t count, std::size_t most, const std::string& path) {
    if (count > most) {
        checks.fail(codes::too_large, std::to_string(count) + " entries; the limit is " + std::to_string(most) + ".",
                    path);
    }
}

inline void check_texts(Checks& checks, const std::vector<std::string>& texts, const PromptPath& at, const char* name) {
    for (std::size_t i = 0; i < texts.size() && !checks.error; ++i) {
        checks.text(texts[i], checks.limits.text_chars, at.of(name, i));
        if (is_blank(texts[i])) {
            checks.fail(codes::invalid_value, "The text is empty.", at.of(name, i));
        }
    }
}

inline void check_points(Checks& checks, const Prompt& prompt, const PromptPath& at) {
    for (std::size_t i = 0; i < prompt.points.size() && !checks.error; ++i) {
        if (!std::isfinite(prompt.points[i].x) || !std::isfinite(prompt.points[i].y)) {
            checks.fail(codes::invalid_value, "A coordinate is not finite.", at.of("points", i));
        }
    }
    for (std::size_t i = 0; i < prompt.labels.size() && !checks.error; ++i) {
        if (prompt.labels[i] != 0 && prompt.labels[i] != 1) {
            checks.fail(codes::invalid_value, "A label is 0 or 1.", at.of("labels", i));
        }
    }
}

inline void check_boxes(Checks& checks, const std::vector<Box>& boxes, const PromptPath& at) {
    for (std::size_t i = 0; i < boxes.size() && !checks.error; ++i) {
        const Box& box = boxes[i];
        if (!std::isfinite(box.x0) || !std::isfinite(box.y0) || !std::isfinite(box.x1) || !std::isfinite(box.y1)) {
            checks.fail(codes::invalid_value, "A coordinate is not finite.", at.of("boxes", i));
        } else if (!(box.x0 < box.x1 && box.y0 < box.y1)) {
            checks.fail(codes::invalid_value, "A box is x0, y0, x1, y1 with x0 < x1 and y0 < y1.", at.of("boxes", i));
        }
    }
}

/// Check that all points and boxes lie in an image of that size.
inline void check_inside(Checks& checks, const Prompt& prompt, std::uint32_t width, std::uint32_t height,
                         const PromptPath& at) {
    const std::string size = std::to_string(width) + " × " + std::to_string(height) + " pixels";
    for (std::size_t i = 0; i < prompt.points.size() && !checks.error; ++i) {
        const Point& point = prompt.points[i];
        if (!(point.x >= 0 && point.x < width && point.y >= 0 && point.y < height)) {
            checks.fail(codes::invalid_value, "The point is outside the image of " + size + ".", at.of("points", i));
        }
    }
    for (std::size_t i = 0; i < prompt.boxes.size() && !checks.error; ++i) {
        const Box& box = prompt.boxes[i];
        if (box.x0 < 0 || box.y0 < 0 || box.x1 > width || box.y1 > height) {
            checks.fail(codes::invalid_value, "The box reaches outside the image of " + size + ".", at.of("boxes", i));
        }
    }
}

inline bool is_prompt_encoding(MaskEncoding encoding) noexcept {
    return encoding == MaskEncoding::raw || encoding == MaskEncoding::bits || encoding == MaskEncoding::bits_zlib ||
           encoding == MaskEncoding::png || encoding == MaskEncoding::rle;
}

inline void check_mask(Checks& checks, const MaskPrompt& mask, std::uint32_t width, std::uint32_t height,
                       const PromptPath& at) {
    const bool sized = width > 0 && height > 0;
    if (!is_prompt_encoding(mask.encoding)) {
        checks.fail(codes::unknown_encoding, "A mask to refine is raw, bits, bits+zlib, png or rle.",
                    at.of("mask.encoding"));
    } else if (mask.encoding == MaskEncoding::rle) {
        if (mask.counts.empty()) {
            checks.fail(codes::invalid_field, "The field is missing.", at.of("mask.counts"));
        } else if (!mask.bytes.empty()) {
            checks.fail(codes::invalid_field, "rle has counts and nothing else.", at.of("mask"));
        } else if (sized) {
            if (const auto sound = rle::check(mask.counts, width, height); !sound) {
                checks.fail(codes::invalid_value, sound.error().message, at.of("mask"));
            }
        }
    } else if (!mask.counts.empty()) {
        checks.fail(codes::invalid_field, "Only rle has counts.", at.of("mask.counts"));
    } else if (mask.bytes.empty()) {
        checks.fail(codes::invalid_field, "The mask has no bytes.", at.of("mask"));
    } else if (sized && (mask.encoding == MaskEncoding::raw || mask.encoding == MaskEncoding::bits)) {
        const std::uint64_t expected =
            mask.encoding == MaskEncoding::raw ? pixels_of(width, height) : packed_bytes(width, height);
        if (mask.bytes.size() != expected) {
            checks.fail(codes::invalid_value, wrong_size(expected, mask.bytes.size()).message, at.of("mask"));
        }
    }
}

inline bool all_finite(const Bytes& floats) noexcept {
    // The exponent of what is not finite has all its bits set; it is in the last two bytes, as they are little endian.
    std::uint32_t wrong = 0;
    for (std::size_t i = 0; i + 4 <= floats.size(); i += 4) {
        const unsigned high = static_cast<unsigned>(floats.data()[i + 3] & 0x7F) << 1 | floats.data()[i + 2] >> 7U;
        wrong |= high == 0xFF ? 1U : 0U;
    }
    return wrong == 0;
}

inline void check_logits(Checks& checks, const LogitsPrompt& logits, const PromptPath& at) {
    constexpr int longest = 4096;
    const auto [height, width] = logits.shape;
    if (logits.bytes.empty()) {
        checks.fail(codes::invalid_field, "The logits have no bytes.", at.of("logits"));
    } else if (height < 1 || width < 1 || height > longest || width > longest) {
        checks.fail(codes::invalid_value, "A side of logits is 1 to 4096.", at.of("logits.shape"));
    } else if (logits.bytes.size() != std::size_t{4} * static_cast<unsigned>(height) * static_cast<unsigned>(width)) {
        checks.fail(codes::invalid_value, "The logits do not have the bytes that their shape needs.", at.of("logits"));
    } else if (!all_finite(logits.bytes)) {
        checks.fail(codes::invalid_value, "A logit is not finite.", at.of("logits"));
    }
}

/// Check all that can be known of a prompt, which stands at `path`; an image of 0 × 0 is one whose size is not known.
inline void check_prompt(Checks& checks, const Prompt& prompt, std::uint32_t width, std::uint32_t height,
                         std::string_view path = "prompt") {
    const PromptPath at{path};
    check_count(checks, prompt.points.size(), checks.limits.points, at.of("points"));
    check_count(checks, prompt.boxes.size(), checks.limits.boxes, at.of("boxes"));
    check_count(checks, prompt.text.size(), checks.limits.texts, at.of("text"));
    check_count(checks, prompt.negative_text.size(), checks.limits.texts, at.of("negative_text"));
    check_texts(checks, prompt.text, at, "text");
    check_texts(checks, prompt.negative_text, at, "negative_text");
    check_points(checks, prompt, at);
    check_boxes(checks, prompt.boxes, at);
    if (!prompt.labels.empty() && prompt.labels.size() != prompt.points.size()) {
        checks.fail(codes::invalid_value,
                    std::to_string(prompt.labels.size()) + " labels for " + std::to_string(prompt.points.size()) +
                        " points.",
                    at.of("labels"));
    }
    if (prompt.boxes.size() > 1 && !prompt.points.empty()) {
        checks.fail(codes::invalid_value, "Points go with one box at most; several boxes are several objects.",
                    at.of("points"));
    }
    if (!prompt.negative_text.empty() && prompt.text.empty()) {
        checks.fail(codes::invalid_value, "Negative texts go with texts.", at.of("negative_text"));
    }
    if (width > 0 && height > 0 && !checks.error) {
        check_inside(checks, prompt, width, height, at);
    }
    if (prompt.mask) {
        check_mask(checks, *prompt.mask, width, height, at);
    }
    if (prompt.logits) {
        check_logits(checks, *prompt.logits, at);
    }
}

}  // namespace maskbus::detail
