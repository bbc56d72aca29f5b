#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "maskbus/detail/check_image.hpp"
#include "maskbus/detail/read_blob.hpp"
#include "maskbus/names.hpp"
#include "maskbus/stream_replies.hpp"

// One function a struct of SPEC.md, section 20, one line a field.
namespace maskbus::detail {

inline void read(Reading& in, const Object& map, const Where& where, StreamCounts& out) {
    const Fields fields(in, map, where);
    fields.optional("received", out.received);
    fields.optional("answered", out.answered);
    fields.optional("dropped", out.dropped);
}

inline void read(Reading& in, const Object& map, const Where& where, StreamOpened& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("stream", out.stream);
    fields.required("model", out.model);
    fields.required("topic", out.topic);
    fields.required("frames_topic", out.frames_topic);
    fields.optional("resumed", out.resumed);
    fields.optional("limit", out.limit);
}

inline void read(Reading& in, const Object& map, const Where& where, StreamFrameTaken& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("stream", out.stream);
    fields.optional("seq", out.seq);
    fields.optional("limit", out.limit);
}

inline void read(Reading& in, const Object& map, const Where& where, StreamCredit& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("stream", out.stream);
    fields.required("limit", out.limit);
}

inline void read(Reading& in, const Object& map, const Where& where, StreamUpdated& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("stream", out.stream);
    fields.optional("seq", out.seq);
}

inline void read(Reading& in, const Object& map, const Where& where, StreamClosed& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("stream", out.stream);
    fields.required("counts", out.counts);
}

inline void read(Reading& in, const Object& map, const Where& where, StreamInfo& out) {
    const Fields fields(in, map, where);
    fields.required("stream", out.stream);
    fields.required("model", out.model);
    fields.required("topic", out.topic);
    fields.required("policy", out.policy);
    fields.optional("track", out.track);
    fields.optional("object_ids", out.object_ids);
    fields.optional("width", out.width);
    fields.optional("height", out.height);
    fields.optional("counts", out.counts);
    fields.optional("under_way", out.under_way);
    fields.optional("watched", out.watched);
    fields.optional("rate_in", out.rate_in);
    fields.optional("rate_out", out.rate_out);
    fields.optional("p50_ms", out.p50_ms);
    fields.optional("p99_ms", out.p99_ms);
    fields.optional("idle_s", out.idle_s);
    fields.optional("last_error", out.last_error);
}

inline void read(Reading& in, const Object& map, const Where& where, Streams& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("streams", out.streams);
}

inline void read(Reading& in, const Object& value, const Where& where, ImageEncoding& out) {
    std::string name;
    read(in, value, where, name);
    for (const ImageEncoding encoding :
         {ImageEncoding::mono8, ImageEncoding::rgb8, ImageEncoding::bgr8, ImageEncoding::rgba8, ImageEncoding::bgra8,
          ImageEncoding::jpeg, ImageEncoding::png, ImageEncoding::webp}) {
        if (name_of(encoding) == name) {
            out = encoding;
            return;
        }
    }
    in.fail(codes::unknown_encoding, "There is no such image encoding.", where);
}

/// The wire's `Image`, of bytes.
inline void read_image(Reading& in, const Object& map, const Where& where, PublishedFrame& out) {
    const Fields fields(in, map, where);
    std::int64_t step = 0;
    fields.required("encoding", out.encoding);
    fields.optional("width", out.width);
    fields.optional("height", out.height);
    fields.optional("step", step);
    if (in.error) {
        return;
    }
    read(in, map, where, out.data);
    if (step < 0) {
        in.fail(codes::invalid_value, "A row has at least one byte.", where.field("step"));
    }
    if (in.error) {
        return;
    }
    out.step = static_cast<std::size_t>(step);
    Checks checks;
    check_view(checks, out.view());
    if (checks.error) {
        in.error = std::move(checks.error);
    }
}

inline void read(Reading& in, const Object& map, const Where& where, PublishedFrame& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("stream", out.stream);
    fields.required("topic", out.topic);
    if (const Object* image = fields.find("image")) {
        read_image(in, *image, where.field("image"), out);
    } else {
        in.fail(codes::invalid_field, "The field is missing.", where.field("image"));
    }
    fields.optional("stamp", out.stamp);
    fields.optional("frame_id", out.frame_id);
    fields.optional("seq", out.seq);
}

}  // namespace maskbus::detail
