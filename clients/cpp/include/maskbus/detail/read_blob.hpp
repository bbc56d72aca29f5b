#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "maskbus/base64.hpp"
#include "maskbus/detail/fields.hpp"
#include "maskbus/detail/mask_size.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/tensor.hpp"

namespace maskbus::detail {

/// Return bytes that lie within a message's header, without a copy.
inline Bytes part_of_header(const Reading& in, const char* data, std::size_t size) {
    return Bytes::with_owner(data, size, in.message.frame().owner());
}

inline void read_attachment(Reading& in, const Object& value, const Where& where, Bytes& out) {
    std::int64_t index = 0;
    read(in, value, where, index);
    if (in.error) {
        return;
    }
    const auto& attachments = in.message.attachments();
    if (index < 0 || static_cast<std::uint64_t>(index) >= attachments.size()) {
        return in.fail(codes::invalid_value,
                       "There is no attachment " + std::to_string(index) + "; the message has " +
                           std::to_string(attachments.size()) + ".",
                       where);
    }
    out = attachments[static_cast<std::size_t>(index)];
}

inline void read_base64(Reading& in, const Object& value, const Where& where, Bytes& out) {
    if (value.type != type::STR) {
        return in.fail(codes::invalid_field, "The field must be text.", where);
    }
    auto bytes = base64::decode(text_of(value), reply_limits.frame_bytes);
    if (!bytes) {
        return in.fail(codes::invalid_field, bytes.error().message, where);
    }
    out = Bytes::own(*std::move(bytes));
}

inline void read_shared(Reading& in, const Object& value, const Where& where, Bytes& out) {
    std::array<std::int64_t, 2> part{};
    read(in, value, where, part);
    if (in.error) {
        return;
    }
    const std::size_t size = in.shared.size();
    const auto offset = static_cast<std::uint64_t>(part[0]);
    const auto length = static_cast<std::uint64_t>(part[1]);
    if (part[0] < 0 || part[1] < 0 || offset > size || length > size - offset) {
        return in.fail(codes::invalid_value, "The slot has no such bytes; it has " + std::to_string(size) + ".", where);
    }
    out = in.shared.slice(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

/// The wire's `Blob`: find the bytes it stands for.
inline void read(Reading& in, const Object& map, const Where& where, Bytes& out) {
    const Fields fields(in, map, where);
    const Object* attachment = fields.find("attachment");
    const Object* data = fields.find("data");
    const Object* text = fields.find("base64");
    const Object* shared = fields.find("shared");
    if (in.error) {
        return;
    }
    const int given = (attachment != nullptr) + (data != nullptr) + (text != nullptr) + (shared != nullptr);
    if (given != 1) {
        return in.fail(codes::invalid_field, "The bytes must be in one place, not in " + std::to_string(given) + ".",
                       where);
    }
    if (attachment != nullptr) {
        read_attachment(in, *attachment, where.field("attachment"), out);
    } else if (text != nullptr) {
        read_base64(in, *text, where.field("base64"), out);
    } else if (shared != nullptr) {
        read_shared(in, *shared, where.field("shared"), out);
    } else if (data->type != type::BIN) {
        in.fail(codes::invalid_field, "The field must be bytes.", where.field("data"));
    } else {
        out = part_of_header(in, data->via.bin.ptr, data->via.bin.size);
    }
}

/// The wire's `Tensor`, of two axes and as many bytes as these need.
inline void read(Reading& in, const Object& map, const Where& where, Tensor& out) {
    const Fields fields(in, map, where);
    std::vector<std::int64_t> shape;
    std::string dtype;
    fields.required("shape", shape);
    fields.required("dtype", dtype);
    if (in.error) {
        return;
    }
    if (dtype == "float32") {
        out.dtype = DataType::float32;
    } else if (dtype == "uint8") {
        out.dtype = DataType::uint8;
    } else if (dtype == "uint16") {
        out.dtype = DataType::uint16;
    } else {
        return in.fail(codes::invalid_value, "The type is none of float32, uint8 and uint16.", where.field("dtype"));
    }
    constexpr std::int64_t longest = 1 << 24;  // keeps the product of two sides far from what 64 bits hold
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > longest || shape[1] > longest) {
        return in.fail(codes::invalid_value, "The array must have two axes.", where.field("shape"));
    }
    out.shape = {static_cast<std::uint32_t>(shape[0]), static_cast<std::uint32_t>(shape[1])};
    read(in, map, where, out.bytes);
    const std::uint64_t expected = pixels_of(out.shape[1], out.shape[0]) * size_of(out.dtype);
    if (out.bytes.size() != expected) {
        in.fail(codes::invalid_value,
                "The array takes " + std::to_string(expected) + " bytes, not " + std::to_string(out.bytes.size()) + ".",
                where);
    }
}

}  // namespace maskbus::detail
