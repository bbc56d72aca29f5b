#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include <msgpack/null_visitor.hpp>
#include <msgpack/parse.hpp>

#include "maskbus/bytes.hpp"
#include "maskbus/detail/utf8.hpp"
#include "maskbus/error.hpp"
#include "maskbus/limits.hpp"

namespace maskbus::detail {

/// Walk through a header without building anything, and see to all that an unpacker would find out too late: it makes
/// room for as many elements as an array announces, at each depth anew.
class HeaderScan : public msgpack::null_visitor {
public:
    HeaderScan(std::size_t size, const Limits& limits) : size_(size), limits_(limits) {}

    /// What is wrong; nullopt where the walk just came to an early end.
    [[nodiscard]] const std::optional<Error>& error() const noexcept {
        return error_;
    }

    bool visit_nil() {
        return value(false);
    }
    bool visit_boolean(bool) {
        return value(false);
    }
    bool visit_positive_integer(std::uint64_t) {
        return value(false);
    }
    bool visit_negative_integer(std::int64_t) {
        return value(false);
    }
    bool visit_float32(float) {
        return value(false);
    }
    bool visit_float64(double) {
        return value(false);
    }
    bool visit_str(const char* data, std::uint32_t size) {
        return value(true) && (is_utf8({data, size}) || malformed("it has text that is not UTF-8"));
    }
    bool visit_bin(const char*, std::uint32_t) {
        return value(false);
    }
    bool visit_ext(const char*, std::uint32_t) {
        return malformed("extension types are not used here");
    }
    bool start_array(std::uint32_t count) {
        return depth_ > 0 ? container(count) : malformed("it is no map");
    }
    bool end_array() {
        --depth_;
        return true;
    }
    bool start_map(std::uint32_t count) {
        return container(std::uint64_t{2} * count);
    }
    bool start_map_key() {
        key_ = true;
        return true;
    }
    bool end_map() {
        --depth_;
        return true;
    }

private:
    bool value(bool text) {
        if (key_ && !text) {
            return malformed("it has a key that is not text");
        }
        key_ = false;
        return depth_ > 0 || malformed("it is no map");
    }

    bool container(std::uint64_t values) {
        if (key_) {
            return malformed("it has a key that is not text");
        }
        announced_ += values;
        if (announced_ > size_) {  // each value takes a byte at least
            return malformed("it is cut short");
        }
        if (announced_ > limits_.header_objects) {
            return too_large("The header holds more than " + std::to_string(limits_.header_objects) + " values.");
        }
        if (++depth_ > limits_.header_depth) {
            return too_large("The header is nested more than " + std::to_string(limits_.header_depth) + " deep.");
        }
        return true;
    }

    bool malformed(const char* reason) {
        error_ = Error{codes::malformed, std::string("The header is not valid: ") + reason + "."};
        return false;
    }

    bool too_large(std::string sentence) {
        error_ = Error{codes::too_large, std::move(sentence)};
        return false;
    }

    std::size_t size_;
    const Limits& limits_;
    std::uint64_t announced_ = 1;
    std::size_t depth_ = 0;
    bool key_ = false;
    std::optional<Error> error_;
};

/// Return why a header is not one msgpack map with text keys within the limits: `malformed` or `too_large`.
inline std::optional<Error> scan_header(const Bytes& header, const Limits& limits) {
    if (header.empty()) {
        return Error{codes::malformed, "The header is empty."};
    }
    if (header.size() > limits.frame_bytes) {
        return Error{codes::too_large, "The header has more than " + std::to_string(limits.frame_bytes) + " bytes."};
    }
    HeaderScan scan(header.size(), limits);
    std::size_t position = 0;
    try {
        if (msgpack::parse(header.text().data(), header.size(), position, scan)) {
            if (position == header.size()) {
                return std::nullopt;
            }
            return Error{codes::malformed, "The header is not valid: bytes follow the map."};
        }
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception&) {
        return Error{codes::malformed, "The header is not valid msgpack."};
    }
    if (scan.error()) {
        return scan.error();
    }
    return Error{codes::malformed, "The header is not valid: it is cut short, or has a type that is not msgpack's."};
}

}  // namespace maskbus::detail
