#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <msgpack/object.hpp>

#include "maskbus/detail/opened.hpp"
#include "maskbus/error.hpp"

namespace maskbus::detail {

/// Where in a message one is: a chain up to the header, made into text only where something is wrong.
struct Where {
    const Where* outer = nullptr;
    std::string_view name = {};
    std::size_t index = 0;

    [[nodiscard]] Where field(std::string_view field_name) const noexcept {
        return {this, field_name, 0};
    }
    [[nodiscard]] Where entry(std::size_t number) const noexcept {
        return {this, {}, number};
    }

    /// Return the path, such as `masks[1].area`.
    [[nodiscard]] std::string path() const {
        if (outer == nullptr) {
            return {};
        }
        std::string text = outer->path();
        if (name.empty()) {
            return text + "[" + std::to_string(index) + "]";
        }
        return (text.empty() ? text : text + ".") + std::string(name);
    }
};

/// What is read, and the first thing that was wrong with it.
struct Reading {
    const Opened& message;
    /// The slot of shared memory that blobs of the reply may be in.
    Bytes shared = {};
    std::optional<Error> error = std::nullopt;

    void fail(const char* code, std::string sentence, const Where& where) {
        if (!error) {
            error = Error{code, std::move(sentence), where.path()};
        }
    }
};

using Object = msgpack::object;
namespace type = msgpack::type;

inline std::string_view text_of(const Object& value) noexcept {
    return {value.via.str.ptr, value.via.str.size};
}

// `read` takes a value of the type that the wire says, and converts nothing beyond what the wire allows.

inline void read(Reading& in, const Object& value, const Where& where, bool& out) {
    if (value.type != type::BOOLEAN) {
        return in.fail(codes::invalid_field, "The field must be a bool.", where);
    }
    out = value.via.boolean;
}

inline void read(Reading& in, const Object& value, const Where& where, std::int64_t& out) {
    if (value.type == type::NEGATIVE_INTEGER) {
        out = value.via.i64;
    } else if (value.type == type::POSITIVE_INTEGER && value.via.u64 <= std::numeric_limits<std::int64_t>::max()) {
        out = static_cast<std::int64_t>(value.via.u64);
    } else {
        in.fail(codes::invalid_field, "The field must be an int of at most 63 bits and a sign.", where);
    }
}

/// A side of an image: the client has nothing to do with pictures that 32 bits cannot measure.
inline void read(Reading& in, const Object& value, const Where& where, std::uint32_t& out) {
    std::int64_t number = 0;
    read(in, value, where, number);
    if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) {
        return in.fail(codes::invalid_value, "The number is no side of an image.", where);
    }
    out = static_cast<std::uint32_t>(number);
}

inline void read(Reading& in, const Object& value, const Where& where, double& out) {
    switch (value.type) {
        case type::FLOAT32:
        case type::FLOAT64:
            out = value.via.f64;
            break;
        case type::POSITIVE_INTEGER:
            out = static_cast<double>(value.via.u64);
            break;
        case type::NEGATIVE_INTEGER:
            out = static_cast<double>(value.via.i64);
            break;
        default:
            in.fail(codes::invalid_field, "The field must be a number.", where);
    }
}

inline void read(Reading& in, const Object& value, const Where& where, std::string& out) {
    if (value.type != type::STR) {
        return in.fail(codes::invalid_field, "The field must be text.", where);
    }
    out = text_of(value);
}

template <class T>
void read(Reading& in, const Object& value, const Where& where, std::optional<T>& out) {
    read(in, value, where, out.emplace());
}

template <class T>
void read(Reading& in, const Object& value, const Where& where, std::vector<T>& out) {
    if (value.type != type::ARRAY) {
        return in.fail(codes::invalid_field, "The field must be an array.", where);
    }
    out.resize(value.via.array.size);
    for (std::size_t i = 0; i < out.size() && !in.error; ++i) {
        read(in, value.via.array.ptr[i], where.entry(i), out[i]);
    }
}

template <class T, std::size_t size>
void read(Reading& in, const Object& value, const Where& where, std::array<T, size>& out) {
    if (value.type != type::ARRAY || value.via.array.size != size) {
        return in.fail(codes::invalid_field, "The field must be an array of " + std::to_string(size) + ".", where);
    }
    for (std::size_t i = 0; i < size; ++i) {
        read(in, value.via.array.ptr[i], where.entry(i), out[i]);
    }
}

template <class T>
void read(Reading& in, const Object& value, const Where& where, std::map<std::string, T>& out) {
    if (value.type != type::MAP) {
        return in.fail(codes::invalid_field, "The field must be a map.", where);
    }
    for (std::uint32_t i = 0; i < value.via.map.size && !in.error; ++i) {
        const std::string_view name = text_of(value.via.map.ptr[i].key);
        read(in, value.via.map.ptr[i].val, where.field(name), out[std::string(name)]);
    }
}

/// Reads the fields of a struct, whatever their order; what it is not asked for is ignored.
class Fields {
public:
    Fields(Reading& in, const Object& map, const Where& where) : in_(in), map_(map), where_(where) {
        if (map.type != type::MAP) {
            in.fail(codes::invalid_field, "The field must be a map.", where);
        }
    }

    /// Return a field's value; null where it is left out or nil, or something before it was wrong.
    [[nodiscard]] const Object* find(std::string_view name) const noexcept {
        return in_.error ? nullptr : find_field(map_, name);
    }

    /// Read a field; left out, `out` stays as it is, which is its default.
    template <class T>
    void optional(std::string_view name, T& out) const {
        if (const Object* value = find(name)) {
            read(in_, *value, where_.field(name), out);
        }
    }

    /// Read a field that must be there.
    template <class T>
    void required(std::string_view name, T& out) const {
        if (const Object* value = find(name)) {
            read(in_, *value, where_.field(name), out);
        } else {
            in_.fail(codes::invalid_field, "The field is missing.", where_.field(name));
        }
    }

private:
    Reading& in_;
    const Object& map_;
    const Where& where_;
};

}  // namespace maskbus::detail
