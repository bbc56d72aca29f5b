#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "maskbus/detail/check_streams.hpp"
#include "maskbus/detail/encode_requests.hpp"
#include "maskbus/names.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// Writes a request about a stream.
class StreamWriter : public RequestWriter {
public:
    StreamWriter(std::string_view operation, std::string_view stream, std::string_view id)
        : RequestWriter(operation, id) {
        map().field("stream", stream);
    }

    void objects(const std::vector<TrackedObject>& objects) {
        if (objects.empty()) {
            return;
        }
        map().key("objects").begin_array(objects.size());
        for (const TrackedObject& object : objects) {
            MapWriter one(packer());
            one.field("object_id", object.object_id);
            prompt_in(one, object.prompt);
            one.end();
        }
    }

    void duration(std::string_view name, const std::optional<std::chrono::milliseconds>& value) {
        if (value) {
            map().field(name, static_cast<std::int64_t>(value->count()));
        }
    }
};

}  // namespace maskbus::detail

namespace maskbus::wire {

inline Result<Message> stream_open(std::string_view stream, const StreamOptions& options, std::string_view id) {
    detail::Checks checks;
    checks.name(id, "id");
    detail::check_stream_name(checks, stream);
    detail::check_stream_open(checks, options);
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::StreamWriter writer("stream.open", stream, id);
    detail::MapWriter& map = writer.map();
    if (!options.model.empty()) {
        map.field("model", std::string_view(options.model));
    }
    writer.prompt(options.prompt);
    if (options.multimask) {
        map.field("multimask", true);
    }
    if (options.track) {
        map.field("track", true);
    }
    writer.objects(options.objects);
    writer.encodings(options.encodings);
    if (options.policy != StreamPolicy::newest) {
        map.field("policy", name_of(options.policy));
    }
    if (options.max_fps) {
        map.field("max_fps", *options.max_fps);
    }
    if (constexpr std::int64_t usual = 8; options.max_waiting != usual) {
        map.field("max_waiting", options.max_waiting);
    }
    writer.duration("max_age_ms", options.max_age);
    if (options.age_from != AgeFrom::receipt) {
        map.field("age_from", name_of(options.age_from));
    }
    writer.duration("deadline_ms", options.frame_deadline);
    if (options.always) {
        map.field("always", true);
    }
    writer.duration("idle_ms", options.idle);
    writer.size_and_post(options);
    writer.text_options(options.text_options);
    writer.options(options.options);
    return writer.finish();
}

inline Result<Message> stream_frame(std::string_view stream, const Image& image, const FrameOptions& frame,
                                    std::string_view id, bool ack) {
    detail::Checks checks;
    checks.name(id, "id");
    detail::check_stream_name(checks, stream);
    checks.optional_name(frame.frame_id, "frame_id");
    detail::check_image(checks, image);
    if (std::holds_alternative<HeldImage>(image)) {
        checks.fail(codes::invalid_value, "The frame of a stream is new; it has no image_id.", "image.image_id");
    }
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::StreamWriter writer("stream.frame", stream, id);
    writer.image(image);
    writer.optional("stamp", frame.stamp);
    writer.optional("frame_id", frame.frame_id);
    writer.optional("seq", frame.seq);
    if (ack) {
        writer.map().field("ack", true);
    }
    return writer.finish();
}

inline Result<Message> stream_update(std::string_view stream, const StreamUpdate& update, std::string_view id) {
    detail::Checks checks;
    checks.name(id, "id");
    detail::check_stream_name(checks, stream);
    detail::check_stream_update(checks, update);
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::StreamWriter writer("stream.update", stream, id);
    detail::MapWriter& map = writer.map();
    if (update.prompt) {
        writer.prompt_in(map, *update.prompt);
    }
    writer.objects(update.objects);
    if (!update.remove.empty()) {
        map.key("remove").begin_array(update.remove.size());
        for (const std::int64_t object_id : update.remove) {
            writer.packer().write(object_id);
        }
    }
    if (update.encodings) {
        writer.encodings(*update.encodings);
    }
    if (update.max_fps) {
        map.field("max_fps", *update.max_fps);
    }
    writer.duration("max_age_ms", update.max_age);
    if (update.always) {
        map.field("always", *update.always);
    }
    if (update.options) {
        writer.options_in(*update.options);
    }
    return writer.finish();
}

inline Result<Message> stream_close(std::string_view stream, std::string_view id) {
    detail::Checks checks;
    checks.name(id, "id");
    detail::check_stream_name(checks, stream);
    if (checks.error) {
        return *std::move(checks.error);
    }
    return detail::StreamWriter("stream.close", stream, id).finish();
}

inline Result<Message> stream_list(std::string_view id) {
    return detail::name_request("stream.list", id);
}

}  // namespace maskbus::wire
