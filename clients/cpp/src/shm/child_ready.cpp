#include "maskbus/shm/child_ready.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

namespace maskbus::shm {
namespace {

/// As much of JSON as a ready line may be: one flat object.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool take(char wanted) {
        skip_space();
        if (rest_.empty() || rest_.front() != wanted) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    [[nodiscard]] bool take(std::string_view word) {
        skip_space();
        if (rest_.substr(0, word.size()) != word) {
            return false;
        }
        rest_.remove_prefix(word.size());
        return true;
    }

    [[nodiscard]] bool at_end() {
        skip_space();
        return rest_.empty();
    }

    /// A whole number from 0 to 2^64 − 1.
    [[nodiscard]] std::optional<std::uint64_t> number() {
        skip_space();
        const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (digits == 0 || (digits > 1 && rest_.front() == '0')) {
            return std::nullopt;
        }
        constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
        std::uint64_t value = 0;
        for (const char digit : rest_.substr(0, digits)) {
            const auto unit = static_cast<std::uint64_t>(digit - '0');
            if (value > (most - unit) / 10) {
                return std::nullopt;
            }
            value = value * 10 + unit;
        }
        rest_.remove_prefix(digits);
        return value;
    }

    [[nodiscard]] std::optional<std::string> text() {
        if (!take('"')) {
            return std::nullopt;
        }
        std::string found;
        while (!rest_.empty()) {
            const char letter = next();
            if (letter == '"') {
                return found;
            }
            if (static_cast<unsigned char>(letter) < 0x20) {
                return std::nullopt;
            }
            if (letter != '\\') {
                found += letter;
            } else if (rest_.empty() || !escaped(next(), found)) {
                return std::nullopt;
            }
        }
        return std::nullopt;
    }

    /// Skip a value of a key that is not known.
    [[nodiscard]] bool skip_value() {
        return take("true") || take("false") || take("null") || text() || (static_cast<void>(take('-')), number());
    }

private:
    char next() {
        const char letter = rest_.front();
        rest_.remove_prefix(1);
        return letter;
    }

    void skip_space() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    }

    bool escaped(char letter, std::string& found) {
        constexpr std::string_view names = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        if (const std::size_t at = names.find(letter); at != std::string_view::npos) {
            found += meanings[at];
            return true;
        }
        std::uint32_t unit = 0;
        if (letter != 'u' || !hex(unit) || (unit >= 0xdc00 && unit < 0xe000)) {
            return false;
        }
        if (unit >= 0xd800 && unit < 0xdc00) {  // half of a character, the other half follows
            std::uint32_t low = 0;
            if (!take_raw("\\u") || !hex(low) || low < 0xdc00 || low >= 0xe000) {
                return false;
            }
            unit = 0x10000U + ((unit - 0xd800U) << 10U) + (low - 0xdc00U);
        }
        append_utf8(unit, found);
        return true;
    }

    bool take_raw(std::string_view wanted) {
        if (rest_.substr(0, wanted.size()) != wanted) {
            return false;
        }
        rest_.remove_prefix(wanted.size());
        return true;
    }

    bool hex(std::uint32_t& value) {
        constexpr std::string_view digits = "0123456789abcdef";
        value = 0;
        for (int i = 0; i < 4; ++i) {
            if (rest_.empty()) {
                return false;
            }
            const char letter = next();
            const char lower = letter >= 'A' && letter <= 'F' ? static_cast<char>(letter - 'A' + 'a') : letter;
            const std::size_t digit = digits.find(lower);
            if (digit == std::string_view::npos) {
                return false;
            }
            value = value << 4U | static_cast<std::uint32_t>(digit);
        }
        return true;
    }

    static void append_utf8(std::uint32_t point, std::string& text) {
        const auto tail = [&](unsigned shift) { text += static_cast<char>(0x80U | (point >> shift & 0x3fU)); };
        if (point < 0x80) {
            text += static_cast<char>(point);
        } else if (point < 0x800) {
            text += static_cast<char>(0xc0U | point >> 6U);
            tail(0);
        } else if (point < 0x10000) {
            text += static_cast<char>(0xe0U | point >> 12U);
            tail(6);
            tail(0);
        } else {
            text += static_cast<char>(0xf0U | point >> 18U);
            tail(12);
            tail(6);
            tail(0);
        }
    }

    std::string_view rest_;
};

template <class Number>
bool store(std::optional<std::uint64_t> found, Number& target) {
    if (!found || *found > static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) {
        return false;
    }
    target = static_cast<Number>(*found);
    return true;
}

bool store(std::optional<std::string> found, std::string& target) {
    if (!found || found->empty()) {
        return false;
    }
    target = *std::move(found);
    return true;
}

bool read_member(Reader& reader, ChildReady& line, bool& ready) {
    const std::optional<std::string> key = reader.text();
    if (!key || !reader.take(':')) {
        return false;
    }
    if (*key == "ready") {
        return ready = reader.take("true");
    }
    if (*key == "mapping") {
        return store(reader.text(), line.mapping);
    }
    if (*key == "bell") {
        return store(reader.text(), line.bell);
    }
    if (*key == "bytes") {
        return store(reader.number(), line.bytes);
    }
    if (*key == "generation") {
        return store(reader.number(), line.generation);
    }
    if (*key == "pid") {
        return store(reader.number(), line.pid);
    }
    return reader.skip_value();
}

}  // namespace

Result<ChildReady> ChildReady::parse(std::string_view line) {
    Reader reader(line);
    ChildReady found;
    bool ready = false;
    bool sound = reader.take('{');
    if (sound && !reader.take('}')) {
        do {
            sound = read_member(reader, found, ready);
        } while (sound && reader.take(','));
        sound = sound && reader.take('}');
    }
    if (!sound || !reader.at_end() || !ready || found.mapping.empty() || found.bell.empty() || found.bytes == 0) {
        return Error{codes::protocol,
                     "The child printed \"" + std::string(line.substr(0, 80)) + "\" where its ready line was due."};
    }
    return found;
}

}  // namespace maskbus::shm
