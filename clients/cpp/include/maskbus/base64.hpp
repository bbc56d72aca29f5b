#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "maskbus/result.hpp"

/// Base64 as the wire has it: the standard alphabet with padding, plain or as a data-URL.
namespace maskbus::base64 {

namespace detail {

inline constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
inline constexpr std::uint8_t no_digit = 0xFF;

inline constexpr std::array<std::uint8_t, 256> digits = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::uint8_t& digit : table) {
        digit = no_digit;
    }
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return table;
}();

constexpr bool is_space(char letter) noexcept {
    return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

constexpr char lower(char letter) noexcept {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

inline bool begins(std::string_view text, std::string_view start) noexcept {
    if (text.size() < start.size()) {
        return false;
    }
    for (std::size_t i = 0; i < start.size(); ++i) {
        if (lower(text[i]) != start[i]) {
            return false;
        }
    }
    return true;
}

inline Error wrong(const char* sentence) {
    return {codes::invalid_field, sentence};
}

/// Return what follows the announcement of a data-URL; a text that is none as it is.
inline Result<std::string_view> without_announcement(std::string_view text) {
    constexpr std::size_t longest = 256;  // announcements further out are not looked for
    constexpr std::string_view marker = ";base64";
    std::size_t start = 0;
    while (start < text.size() && start < longest && is_space(text[start])) {
        ++start;
    }
    if (!begins(text.substr(start), "data:")) {
        return text;
    }
    const std::size_t comma = text.substr(0, longest).find(',');
    if (comma == std::string_view::npos) {
        return wrong("The data-URL has no comma in its first characters.");
    }
    const std::string_view announcement = text.substr(start, comma - start);
    if (announcement.size() < marker.size() ||
        !begins(announcement.substr(announcement.size() - marker.size()), marker)) {
        return wrong("The data-URL is not Base64.");
    }
    return text.substr(comma + 1);
}

}  // namespace detail

/// Return the bytes of a text; spaces, tabs and line ends in it are skipped. Errors: `invalid_field` for what is no
/// Base64, `too_large` over `most` bytes, found before they are allocated.
inline Result<std::vector<std::uint8_t>> decode(std::string_view text, std::size_t most) {
    auto found = detail::without_announcement(text);
    if (!found) {
        return std::move(found).error();
    }
    const std::string_view body = *found;
    std::size_t letters = 0;
    for (const char letter : body) {
        letters += detail::is_space(letter) ? 0 : 1;
    }
    if (letters % 4 != 0) {
        return detail::wrong("The Base64 text stops in the middle of a group of four characters.");
    }
    if (letters / 4 > most / 3 + 1) {
        return Error{codes::too_large, "The Base64 text holds more bytes than are allowed."};
    }
    std::vector<std::uint8_t> bytes;
    bytes.reserve(letters / 4 * 3);
    std::uint32_t group = 0;
    std::size_t count = 0;
    std::size_t padding = 0;
    for (const char letter : body) {
        if (detail::is_space(letter)) {
            continue;
        }
        ++count;
        std::uint8_t digit = detail::digits[static_cast<unsigned char>(letter)];
        if (letter == '=' && count + 2 > letters) {
            ++padding;
            digit = 0;
        } else if (digit == detail::no_digit || padding > 0) {
            return detail::wrong("The text is not Base64 in the standard alphabet.");
        }
        group = group << 6 | digit;
        if (count % 4 == 0) {
            bytes.push_back(static_cast<std::uint8_t>(group >> 16));
            bytes.push_back(static_cast<std::uint8_t>(group >> 8));
            bytes.push_back(static_cast<std::uint8_t>(group));
            group = 0;
        }
    }
    bytes.resize(bytes.size() - padding);
    if (bytes.size() > most) {
        return Error{codes::too_large, "The Base64 text holds more bytes than are allowed."};
    }
    return bytes;
}

/// Return bytes as text, with padding and without line ends.
inline std::string encode(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    std::string text;
    text.reserve((size + 2) / 3 * 4);
    for (std::size_t i = 0; i < size; i += 3) {
        const std::size_t left = size - i;
        const std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16 |
                                    (left > 1 ? static_cast<std::uint32_t>(bytes[i + 1]) << 8 : 0U) |
                                    (left > 2 ? static_cast<std::uint32_t>(bytes[i + 2]) : 0U);
        text += detail::alphabet[group >> 18];
        text += detail::alphabet[group >> 12 & 63];
        text += left > 1 ? detail::alphabet[group >> 6 & 63] : '=';
        text += left > 2 ? detail::alphabet[group & 63] : '=';
    }
    return text;
}

}  // namespace maskbus::base64
