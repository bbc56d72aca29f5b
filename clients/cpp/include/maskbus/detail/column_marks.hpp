#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "maskbus/binary_mask.hpp"

namespace maskbus::detail {

/// Fills parts of the columns of a blank mask.
///
/// Pixels lie in rows. So where a part begins and ends is marked only; at last each row is the one above it, changed
/// where it has a mark, and memory is gone through in order.
class ColumnMarks {
public:
    explicit ColumnMarks(BinaryMask& mask) : mask_(mask), left_(mask.width), top_(mask.height) {}

    /// Turn the pixels of column `x` from row `top` up to but without row `below`; all must lie within.
    void add(std::uint64_t x, std::uint64_t top, std::uint64_t below) noexcept {
        turn(x, top);
        if (below < mask_.height) {
            turn(x, below);
        }
        left_ = std::min(left_, x);
        right_ = std::max(right_, x + 1);
        top_ = std::min(top_, top);
    }

    void finish() noexcept {
        for (std::uint64_t y = top_ + 1; y < mask_.height; ++y) {
            std::uint8_t* row = mask_.pixels.data() + y * mask_.width;
            const std::uint8_t* above = row - mask_.width;
            for (std::uint64_t x = left_; x < right_; ++x) {
                row[x] = static_cast<std::uint8_t>(row[x] ^ above[x]);
            }
        }
    }

private:
    void turn(std::uint64_t x, std::uint64_t y) noexcept {
        mask_.pixels[static_cast<std::size_t>(y * mask_.width + x)] ^= 255;
    }

    BinaryMask& mask_;
    std::uint64_t left_;
    std::uint64_t right_ = 0;
    std::uint64_t top_;
};

}  // namespace maskbus::detail
