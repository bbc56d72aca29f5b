#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace maskbus::detail {

/// Marks what is no code point.
inline constexpr std::uint32_t no_code_point = 0xFFFFFFFF;

/// Take the first code point off a text, which must not be empty; `no_code_point` where it is not UTF-8 (RFC 3629: no
/// overlong forms, no surrogates), and then nothing is taken off.
inline std::uint32_t take_code_point(std::string_view& text) noexcept {
    const auto byte = [&text](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(text[i]); };
    const std::uint32_t lead = byte(0);
    if (lead < 0x80) {
        text.remove_prefix(1);
        return lead;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) {
        return no_code_point;
    }
    std::uint32_t code = lead & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) {
            return no_code_point;
        }
        code = code << 6 | (byte(i) & 0x3F);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        return no_code_point;
    }
    text.remove_prefix(length);
    return code;
}

/// Return how many of the first bytes are ASCII, in steps of eight: texts of a million bytes are.
inline std::size_t ascii_prefix(std::string_view text) noexcept {
    std::size_t done = 0;
    for (std::uint64_t word = 0; done + sizeof word <= text.size(); done += sizeof word) {
        std::memcpy(&word, text.data() + done, sizeof word);
        if ((word & 0x8080808080808080U) != 0) {
            break;
        }
    }
    return done;
}

/// Return how many characters a text has; `static_cast<std::size_t>(-1)` where it is not UTF-8.
inline std::size_t count_characters(std::string_view text) noexcept {
    std::size_t count = ascii_prefix(text);
    text.remove_prefix(count);
    while (!text.empty()) {
        if (take_code_point(text) == no_code_point) {
            return static_cast<std::size_t>(-1);
        }
        ++count;
    }
    return count;
}

inline bool is_utf8(std::string_view text) noexcept {
    return count_characters(text) != static_cast<std::size_t>(-1);
}

/// Whether a code point is white space.
inline bool is_space(std::uint32_t code) noexcept {
    return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}

/// Whether a text in UTF-8 has nothing but white space, or nothing at all.
inline bool is_blank(std::string_view text) noexcept {
    while (!text.empty()) {
        if (!is_space(take_code_point(text))) {
            return false;
        }
    }
    return true;
}

}  // namespace maskbus::detail
