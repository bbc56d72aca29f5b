#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "maskbus/binary_mask.hpp"
#include "maskbus/detail/column_marks.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

/// COCO's compressed run lengths, the `counts` of pycocotools: pixels column by column, background first.
namespace maskbus::rle {

namespace detail {

/// Takes one run after the other off a text, and sees that all of them are the runs of so many pixels.
class Runs {
public:
    Runs(std::string_view counts, std::uint64_t pixels) : left_(counts), pixels_(pixels) {}

    /// Read the next run. False at the end, or where something is wrong: `error` tells which.
    bool next(std::uint64_t& run) {
        if (error_ != nullptr || left_.empty()) {
            if (error_ == nullptr && (number_ == 0 || done_ != pixels_)) {
                error_ = "The runs do not add up to the mask's pixels.";
            }
            return false;
        }
        std::int64_t value = 0;
        if (!take(value)) {
            return false;
        }
        if (number_ > 2) {
            value += before_[number_ % 2];
        }
        if (value < 0 || static_cast<std::uint64_t>(value) > pixels_ - done_) {
            error_ = "The runs do not add up to the mask's pixels.";
            return false;
        }
        if (value == 0 && number_ > pixels_) {
            error_ = "There are more runs than the mask has pixels.";
            return false;
        }
        before_[number_ % 2] = value;
        ++number_;
        run = static_cast<std::uint64_t>(value);
        done_ += run;
        return true;
    }

    /// What is wrong, one sentence; null where nothing is.
    [[nodiscard]] const char* error() const noexcept {
        return error_;
    }

private:
    bool take(std::int64_t& value) {
        constexpr std::size_t most = 7;  // 34 bits and a sign: more than any picture needs
        for (std::size_t group = 0; group < most && group < left_.size(); ++group) {
            const unsigned digit = static_cast<unsigned char>(left_[group]) - 48U;
            if (digit > 63) {
                error_ = "The counts hold a character outside the range from '0' to 'o'.";
                return false;
            }
            value |= static_cast<std::int64_t>(digit & 0x1F) << (5 * group);
            if ((digit & 0x20) == 0) {
                value -= static_cast<std::int64_t>(digit & 0x10) << (5 * group + 1);
                left_.remove_prefix(group + 1);
                return true;
            }
        }
        error_ = left_.size() < most ? "The counts stop in the middle of a number."
                                     : "The counts hold a number that no picture needs.";
        return false;
    }

    std::string_view left_;
    std::uint64_t pixels_;
    std::uint64_t done_ = 0;
    std::uint64_t number_ = 0;
    std::int64_t before_[2] = {0, 0};
    const char* error_ = nullptr;
};

inline void append(std::string& text, std::int64_t value) {
    bool more = true;
    while (more) {
        const auto group = static_cast<unsigned>(value & 0x1F);
        value >>= 5;
        more = (group & 0x10) != 0 ? value != -1 : value != 0;
        text += static_cast<char>((group | (more ? 0x20U : 0U)) + 48U);
    }
}

}  // namespace detail

/// Return why a text is not the counts of a mask of that size (`invalid_value`); nothing is allocated.
inline Result<void> check(std::string_view counts, std::uint32_t width, std::uint32_t height) {
    detail::Runs runs(counts, maskbus::detail::pixels_of(width, height));
    for (std::uint64_t run = 0; runs.next(run);) {
    }
    if (runs.error() != nullptr) {
        return Error{codes::invalid_value, runs.error()};
    }
    return {};
}

/// Return the pixels of compressed counts. Errors: `invalid_value` for a text that is none, or whose runs do not add up
/// to the mask's pixels, found before these are allocated; `too_large`.
inline Result<BinaryMask> decode(std::string_view counts, std::uint32_t width, std::uint32_t height,
                                 const Limits& limits = reply_limits) {
    if (maskbus::detail::pixels_of(width, height) > limits.pixels) {
        return maskbus::detail::blank_mask(width, height, limits);
    }
    if (auto sound = check(counts, width, height); !sound) {
        return std::move(sound).error();
    }
    auto mask = maskbus::detail::blank_mask(width, height, limits);
    if (!mask) {
        return mask;
    }
    maskbus::detail::ColumnMarks marks(*mask);
    detail::Runs runs(counts, maskbus::detail::pixels_of(width, height));
    std::uint64_t at = 0;
    std::uint64_t run = 0;
    for (bool object = false; runs.next(run); object = !object, at += run) {
        if (!object || run == 0) {
            continue;
        }
        const std::uint64_t last = at + run - 1;
        for (std::uint64_t x = at / height; x <= last / height; ++x) {
            marks.add(x, x == at / height ? at % height : 0, x == last / height ? last % height + 1 : height);
        }
    }
    marks.finish();
    return mask;
}

/// Return the compressed counts of a mask whose `pixels` are as many as its sides say; every byte but 0 is object.
inline std::string encode(const BinaryMask& mask) {
    std::string text;
    std::int64_t before[2] = {0, 0};
    std::size_t number = 0;
    std::int64_t run = 0;
    bool object = false;
    const auto finish = [&] {
        detail::append(text, number > 2 ? run - before[number % 2] : run);
        before[number % 2] = run;
        ++number;
        run = 0;
    };
    for (std::uint32_t x = 0; x < mask.width; ++x) {
        for (std::uint32_t y = 0; y < mask.height; ++y) {
            if (mask.at(x, y) != object) {
                finish();
                object = !object;
            }
            ++run;
        }
    }
    finish();
    return text;
}

}  // namespace maskbus::rle
