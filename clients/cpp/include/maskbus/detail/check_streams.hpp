#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "maskbus/detail/check_request.hpp"
#include "maskbus/stream_options.hpp"

namespace maskbus::detail {

inline void check_stream_name(Checks& checks, std::string_view name) {
    checks.name(name, "stream");
    bool wrong = name.empty();
    while (!name.empty() && !wrong && !checks.error) {
        const std::uint32_t code = take_code_point(name);
        wrong = code == '/' || code == ':' || code <= 0x1F || code == 0x7F || is_space(code);
    }
    if (wrong) {
        checks.fail(codes::invalid_value, "A stream's name has no \"/\", no \":\" and no white space.", "stream");
    }
}

/// A prompt for every frame.
inline void check_standing(Checks& checks, const Prompt& prompt) {
    check_prompt(checks, prompt, 0, 0);
    if (prompt.mask || prompt.logits) {
        const std::string name = prompt.mask ? "mask" : "logits";
        checks.fail(codes::unsupported_prompt, "A prompt for every frame has no " + name + ".", "prompt." + name);
    }
}

/// A prompt for one object to follow.
inline void check_one_object(Checks& checks, const Prompt& prompt, const std::string& path) {
    check_prompt(checks, prompt, 0, 0, path);
    if (prompt.logits || !prompt.text.empty()) {
        const std::string name = prompt.logits ? "logits" : "text";
        checks.fail(codes::unsupported_prompt, "An object to follow is not given by " + name + ".", path + "." + name);
    }
    if (prompt.boxes.size() > 1) {
        checks.fail(codes::invalid_value, "An object has one box at most.", path + ".boxes");
    }
    const bool drawn = !prompt.points.empty() || !prompt.boxes.empty();
    if (!drawn && !prompt.mask) {
        checks.fail(codes::invalid_value, "An object to follow needs points, a box or a mask.", path);
    }
    if (drawn && prompt.mask) {
        checks.fail(codes::invalid_value, "A mask stands alone.", path + ".mask");
    }
}

/// Objects in one message, at most.
inline constexpr std::size_t most_objects = 256;

inline void check_objects(Checks& checks, const std::vector<TrackedObject>& objects) {
    constexpr std::int64_t most_id = 0x7FFFFFFF;
    check_count(checks, objects.size(), most_objects, "objects");
    std::set<std::int64_t> seen;
    for (std::size_t i = 0; i < objects.size() && !checks.error; ++i) {
        const TrackedObject& object = objects[i];
        const std::string path = "objects[" + std::to_string(i) + "]";
        if (object.object_id < 0 || object.object_id > most_id) {
            checks.fail(codes::invalid_value, "An object_id lies between 0 and " + std::to_string(most_id) + ".",
                        path + ".object_id");
        }
        if (!seen.insert(object.object_id).second) {
            checks.fail(codes::invalid_value, "The object " + std::to_string(object.object_id) + " stands twice.",
                        path + ".object_id");
        }
        check_one_object(checks, object.prompt, path + ".prompt");
    }
}

inline void check_rate(Checks& checks, const std::optional<double>& rate) {
    if (rate && !(*rate > 0 && *rate <= 1000)) {
        checks.fail(codes::invalid_value, "It is more than 0 and at most 1000.", "max_fps");
    }
}

inline void check_duration(Checks& checks, const std::optional<std::chrono::milliseconds>& duration, const char* path) {
    if (duration && (duration->count() <= 0 || duration->count() > checks.limits.deadline_ms)) {
        checks.fail(codes::invalid_value, "It lies between 1 and " + std::to_string(checks.limits.deadline_ms) + " ms.",
                    path);
    }
}

inline bool is_empty(const Prompt& prompt) {
    return prompt.points.empty() && prompt.labels.empty() && prompt.boxes.empty() && !prompt.mask && !prompt.logits &&
           prompt.text.empty() && prompt.negative_text.empty();
}

inline void check_stream_open(Checks& checks, const StreamOptions& options) {
    checks.name(options.model, "model");
    check_encodings(checks, options.encodings);
    check_standing(checks, options.prompt);
    check_objects(checks, options.objects);
    if (options.track && !is_empty(options.prompt)) {
        checks.fail(codes::invalid_value, "A stream that tracks is given objects, not one prompt.", "prompt");
    }
    if (!options.objects.empty() && !options.track) {
        checks.fail(codes::invalid_value, "Only a stream that tracks has objects.", "objects");
    }
    if (options.policy == StreamPolicy::sample && !options.max_fps) {
        checks.fail(codes::invalid_field, "The policy sample needs it.", "max_fps");
    }
    if (options.policy != StreamPolicy::sample && options.max_fps) {
        checks.fail(codes::invalid_value, "Only the policy sample has it.", "max_fps");
    }
    check_rate(checks, options.max_fps);
    constexpr std::int64_t most_waiting = 64;
    if (options.max_waiting < 1 || options.max_waiting > most_waiting) {
        checks.fail(codes::invalid_value, "It lies between 1 and " + std::to_string(most_waiting) + ".", "max_waiting");
    }
    check_duration(checks, options.max_age, "max_age_ms");
    check_duration(checks, options.frame_deadline, "deadline_ms");
    check_duration(checks, options.idle, "idle_ms");
    check_max_side(checks, options.max_side);
    check_post(checks, options.post);
    check_text_options(checks, options.text_options);
    if (options.track && options.max_side != 0) {
        checks.fail(codes::invalid_value, "A stream that tracks shows the model its frames as they are.", "max_side");
    }
    if (options.track && options.post && options.post->min_area != 0) {
        checks.fail(codes::invalid_value, "A stream that tracks leaves out no object.", "post.min_area");
    }
    if (options.track && options.text_options) {
        checks.fail(codes::invalid_value, "A stream that tracks chooses nothing by text.", "text_options");
    }
    check_own_options(checks, options.options);
}

inline void check_stream_update(Checks& checks, const StreamUpdate& update) {
    if (update.prompt) {
        check_standing(checks, *update.prompt);
    }
    check_objects(checks, update.objects);
    check_count(checks, update.remove.size(), most_objects, "remove");
    if (update.encodings) {
        check_encodings(checks, *update.encodings);
    }
    check_rate(checks, update.max_fps);
    if (update.max_age && update.max_age->count() != 0) {
        check_duration(checks, update.max_age, "max_age_ms");
    }
    if (update.options) {
        check_own_options(checks, *update.options);
    }
}

}  // namespace maskbus::detail
