#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/options.hpp"

namespace maskbus {

/// A point in pixels of the upright image, x to the right, y down; (0, 0) is the centre of the first pixel.
/// 0 ≤ x < width, 0 ≤ y < height.
struct Point {
    double x = 0;
    double y = 0;
};

/// A box by its left, top, right and bottom edge; the first pixel alone is {0, 0, 1, 1}.
/// 0 ≤ x0 < x1 ≤ width, 0 ≤ y0 < y1 ≤ height.
struct Box {
    double x0 = 0;
    double y0 = 0;
    double x1 = 0;
    double y1 = 0;
};

/// A mask to refine, of the image's size.
struct MaskPrompt {
    /// raw (0 is background), bits, bits_zlib, png or rle.
    MaskEncoding encoding = MaskEncoding::bits;
    /// The mask's bytes; empty for rle.
    Bytes bytes = {};
    /// COCO compressed RLE, for rle only.
    std::string counts = {};
};

/// Logits of an earlier answer, to refine.
struct LogitsPrompt {
    /// Height and width of the logits, not of the image.
    std::array<int, 2> shape = {};
    /// float32, little endian, row by row: 4 × height × width bytes, every value finite.
    Bytes bytes = {};
};

/// What to segment, in pixels of the image. Empty: everything, or what the model makes of it.
struct Prompt {
    std::vector<Point> points = {};
    /// 1 = object, 0 = background, one a point; empty: all are object.
    std::vector<int> labels = {};
    /// Several boxes are several objects; then there are no points.
    std::vector<Box> boxes = {};
    std::optional<MaskPrompt> mask = std::nullopt;
    std::optional<LogitsPrompt> logits = std::nullopt;
    /// What to look for, in words.
    std::vector<std::string> text = {};
    /// What not to take for it; only with `text`.
    std::vector<std::string> negative_text = {};
};

}  // namespace maskbus
