#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "maskbus/detail/masks_reply.hpp"
#include "maskbus/detail/read_blob.hpp"
#include "maskbus/detail/read_replies.hpp"
#include "maskbus/detail/read_streams.hpp"

namespace maskbus::detail {

inline void read(Reading& in, const Object& map, const Where& where, Slot& out) {
    const Fields fields(in, map, where);
    fields.required("lease", out.lease);
    fields.required("index", out.index);
    fields.required("generation", out.generation);
}

inline void read(Reading& in, const Object& value, const Where& where, BoundingBox& out) {
    std::array<std::int64_t, 4> numbers{};
    read(in, value, where, numbers);
    out = {numbers[0], numbers[1], numbers[2], numbers[3]};
}

inline void read(Reading& in, const Object& value, const Where& where, Point& out) {
    std::array<double, 2> numbers{};
    read(in, value, where, numbers);
    out = {numbers[0], numbers[1]};
}

/// Reads masks of one image; its size is known when it gets to them.
struct MaskReader {
    Reading& in;
    std::uint32_t width;
    std::uint32_t height;

    void read_mask(const Object& map, const Where& where, MaskFields& out) const {
        const Fields fields(in, map, where);
        fields.required("bbox", out.bbox);
        fields.required("area", out.area);
        fields.required("predicted_iou", out.predicted_iou);
        fields.required("stability_score", out.stability_score);
        fields.optional("label", out.label);
        fields.optional("similarity", out.similarity);
        fields.optional("probability", out.probability);
        fields.optional("point", out.point);
        fields.optional("crop_box", out.crop_box);
        fields.optional("object_id", out.object_id);
        fields.optional("present", out.present);
        if (const Object* value = fields.find("rle")) {
            read_rle(*value, where.field("rle"), out.rle.emplace());
        }
        fields.optional("bits", out.bits);
        fields.optional("bits+zlib", out.bits_zlib);
        fields.optional("png", out.png);
        if (const Object* value = fields.find("png_base64")) {
            read_text(*value, where.field("png_base64"), out.png_base64.emplace());
        }
        fields.optional("polygon", out.polygon);
        fields.optional("raw", out.raw);
        fields.optional("logits", out.logits);
        check_size(out.bits, packed_bytes(width, height), where.field("bits"));
        check_size(out.raw, pixels_of(width, height), where.field("raw"));
        if (out.logits && out.logits->dtype != DataType::float32) {
            in.fail(codes::invalid_value, "Logits are float32.", where.field("logits"));
        }
    }

private:
    /// Text that may be long: a view of the header.
    void read_text(const Object& value, const Where& where, Bytes& out) const {
        if (value.type != type::STR) {
            return in.fail(codes::invalid_field, "The field must be text.", where);
        }
        out = part_of_header(in, value.via.str.ptr, value.via.str.size);
    }

    void read_rle(const Object& map, const Where& where, Bytes& out) const {
        const Fields fields(in, map, where);
        std::array<std::int64_t, 2> size{};
        fields.required("size", size);
        if (const Object* value = fields.find("counts")) {
            read_text(*value, where.field("counts"), out);
        } else {
            in.fail(codes::invalid_field, "The field is missing.", where.field("counts"));
        }
        if (size[0] != height || size[1] != width) {
            in.fail(codes::invalid_value, "The mask is not of the image's size.", where.field("size"));
        }
    }

    void check_size(const std::optional<Bytes>& bytes, std::uint64_t expected, const Where& where) const {
        if (bytes && bytes->size() != expected) {
            in.fail(codes::invalid_value, wrong_size(expected, bytes->size()).message, where);
        }
    }
};

/// Read masks of an image whose size is known.
inline void read_mask_list(Reading& in, const Object& list, const Where& where, MasksReply& out) {
    if (list.type != type::ARRAY) {
        return in.fail(codes::invalid_field, "The field must be an array.", where);
    }
    const MaskReader reader{in, out.width, out.height};
    out.masks.resize(list.via.array.size);
    for (std::uint32_t i = 0; i < out.masks.size() && !in.error; ++i) {
        reader.read_mask(list.via.array.ptr[i], where.entry(i), out.masks[i]);
    }
}

inline void read(Reading& in, const Object& map, const Where& where, MasksReply& out) {
    const Fields fields(in, map, where);
    read_answer(fields, out);
    const Where here = where.field("masks");
    if (const Object* masks = fields.find("masks")) {
        read_mask_list(in, *masks, here, out);
    } else {
        in.fail(codes::invalid_field, "The field is missing.", here);
    }
    fields.optional("encodings", out.encodings);
    fields.optional("labels", out.labels);
    if (out.labels && (out.labels->dtype == DataType::float32 || out.labels->shape[0] != out.height ||
                       out.labels->shape[1] != out.width)) {
        in.fail(codes::invalid_value, "The label map is not of the image's size, or not of whole numbers.",
                where.field("labels"));
    }
    fields.optional("overlay", out.overlay);
    fields.optional("result", out.result);
    fields.optional("topic", out.topic);
    fields.optional("published", out.published);
    fields.optional("retained", out.retained);
    fields.optional("counts", out.counts);
    fields.optional("scores", out.scores);
}

}  // namespace maskbus::detail
