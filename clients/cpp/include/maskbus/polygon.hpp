#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "maskbus/binary_mask.hpp"
#include "maskbus/detail/column_marks.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

/// Masks as rings of numbers, as COCO has them: x0, y0, x1, y1, …; pixel (column 0, row 0) covers 0…1 × 0…1.
namespace maskbus::polygon {

namespace detail {

// No coordinate may lie further out, which keeps the arithmetic far from its limits.
inline constexpr double farthest = 16'777'216.0;
// How many crossings are always allowed, however small the mask, and how many never are, however large.
inline constexpr std::uint64_t few = 1 << 20;
inline constexpr std::uint64_t many = 1 << 25;

/// Part of a column, in numbers that say both the column and the row: column × (height + 1) + row.
struct Span {
    std::uint64_t first;
    std::uint64_t last;
};

/// The columns whose centre an edge crosses: from `first` on, up to but without `last`.
struct Columns {
    std::uint32_t first;
    std::uint32_t last;
};

inline std::uint32_t clipped(double value, std::uint32_t most) noexcept {
    return static_cast<std::uint32_t>(std::clamp(value, 0.0, static_cast<double>(most)));
}

inline Columns columns_of(double left, double right, std::uint32_t width) noexcept {
    return {clipped(std::ceil(left - 0.5), width), clipped(std::ceil(right - 0.5), width)};
}

/// Call `visit(column, row)` for each crossing of an edge with a column's centre line; `row` is the first pixel of the
/// column whose centre is not above it, 0…height.
///
/// Edges are taken from left to right, so that one which goes there and back crosses at the very same height.
template <class Visit>
void cross(const std::vector<double>& ring, std::uint32_t width, std::uint32_t height, Visit visit) {
    const std::size_t points = ring.size() / 2;
    for (std::size_t i = 0; i < points; ++i) {
        const std::size_t j = i + 1 < points ? i + 1 : 0;
        const bool swapped = ring[2 * i] > ring[2 * j];
        const double* from = ring.data() + 2 * (swapped ? j : i);
        const double* to = ring.data() + 2 * (swapped ? i : j);
        const Columns columns = columns_of(from[0], to[0], width);
        if (columns.first >= columns.last) {
            continue;
        }
        const double slope = (to[1] - from[1]) / (to[0] - from[0]);
        for (std::uint32_t x = columns.first; x < columns.last; ++x) {
            const double y = from[1] + (static_cast<double>(x) + 0.5 - from[0]) * slope;
            visit(x, clipped(std::ceil(y - 0.5), height));
        }
    }
}

/// Return how many crossings all rings have, or what is wrong with one of them.
inline Result<std::uint64_t> count_crossings(const std::vector<std::vector<double>>& rings, std::uint32_t width) {
    std::uint64_t count = 0;
    for (const std::vector<double>& ring : rings) {
        if (ring.size() < 6 || ring.size() % 2 != 0) {
            return Error{codes::invalid_value, "A ring takes an even count of six or more numbers."};
        }
        for (const double value : ring) {
            if (!(std::abs(value) <= farthest)) {
                return Error{codes::invalid_value, "A ring holds a coordinate that is not finite or lies too far out."};
            }
        }
        double before = ring[ring.size() - 2];
        for (std::size_t i = 0; i < ring.size(); i += 2) {
            const auto [left, right] = std::minmax(before, ring[i]);
            const Columns columns = columns_of(left, right, width);
            count += columns.last - columns.first;
            before = ring[i];
        }
    }
    return count;
}

}  // namespace detail

/// Return the pixels of the union of rings: a pixel is in a ring if its centre is, by the even-odd rule. What lies
/// outside the picture is cut off. Errors: `invalid_value` for a ring that is none, or rings of more edges than the
/// outline of a mask of that size can need, so that the work is bounded by the picture; `too_large`.
inline Result<BinaryMask> decode(const std::vector<std::vector<double>>& rings, std::uint32_t width,
                                 std::uint32_t height, const Limits& limits = reply_limits) {
    const auto crossings = detail::count_crossings(rings, width);
    if (!crossings) {
        return crossings.error();
    }
    const std::uint64_t most = 3 * (std::uint64_t{height} + 1) * width;
    if (*crossings > std::clamp(most, detail::few, detail::many)) {
        return Error{codes::invalid_value, "The polygon crosses more columns than a mask of its size can need."};
    }
    auto mask = maskbus::detail::blank_mask(width, height, limits);
    if (!mask) {
        return mask;
    }
    // A ring's crossings of a column, sorted, are where it begins and ends, in turn.
    const std::uint64_t stride = std::uint64_t{height} + 1;
    std::vector<detail::Span> spans;
    std::vector<std::uint64_t> found;
    for (const std::vector<double>& ring : rings) {
        found.clear();
        detail::cross(ring, width, height,
                      [&](std::uint32_t x, std::uint32_t row) { found.push_back(x * stride + row); });
        std::sort(found.begin(), found.end());
        for (std::size_t i = 0; i + 1 < found.size(); i += 2) {
            if (found[i] < found[i + 1]) {
                spans.push_back({found[i], found[i + 1]});
            }
        }
    }
    // Rings may lie over one another any number of times, and yet no pixel is turned twice.
    std::sort(spans.begin(), spans.end(),
              [](const detail::Span& one, const detail::Span& other) { return one.first < other.first; });
    maskbus::detail::ColumnMarks marks(*mask);
    std::uint64_t done = 0;
    for (const detail::Span& span : spans) {
        const std::uint64_t from = std::max(span.first, done);
        if (from < span.last) {
            marks.add(from / stride, from % stride, span.last % stride);
            done = span.last;
        }
    }
    marks.finish();
    return mask;
}

}  // namespace maskbus::polygon
