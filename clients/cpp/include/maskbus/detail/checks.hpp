#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "maskbus/detail/utf8.hpp"
#include "maskbus/error.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/slot.hpp"

namespace maskbus::detail {

/// The checks of a request: what they go by, and the first thing that was wrong.
struct Checks {
    const Limits& limits = request_limits;
    std::optional<Error> error = std::nullopt;

    void fail(const char* code, std::string sentence, std::string path) {
        if (!error) {
            error = Error{code, std::move(sentence), std::move(path)};
        }
    }

    /// Check the length of a text, in characters.
    void text(std::string_view value, std::size_t most, std::string_view path) {
        const std::size_t characters = count_characters(value);
        if (characters == static_cast<std::size_t>(-1)) {
            fail(codes::invalid_value, "The text is not UTF-8.", std::string(path));
        } else if (characters > most) {
            fail(codes::too_large, "The text has more than " + std::to_string(most) + " characters.",
                 std::string(path));
        }
    }

    void name(std::string_view value, std::string_view path) {
        text(value, limits.name_chars, path);
    }
    void optional_name(const std::optional<std::string>& value, std::string_view path) {
        if (value) {
            name(*value, path);
        }
    }
};

inline void check_slot(Checks& checks, const Slot& slot, const std::string& path) {
    constexpr std::int64_t most_slots = 64;
    checks.name(slot.lease, path + ".lease");
    if (slot.index < 0 || slot.index >= most_slots) {
        checks.fail(codes::invalid_value, "Slots are numbered from 0 to " + std::to_string(most_slots - 1) + ".",
                    path + ".index");
    }
    if (slot.generation < 0) {
        checks.fail(codes::invalid_value, "A generation is not negative.", path + ".generation");
    }
}

}  // namespace maskbus::detail
