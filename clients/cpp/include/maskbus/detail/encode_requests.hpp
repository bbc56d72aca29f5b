#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "maskbus/detail/check_request.hpp"
#include "maskbus/detail/encode_options.hpp"
#include "maskbus/detail/packer.hpp"
#include "maskbus/names.hpp"
#include "maskbus/version.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// Writes a request: fields in the order of SPEC.md's tables, those that have their default left out.
class RequestWriter {
public:
    RequestWriter(std::string_view operation, std::string_view id) : map_(packer_) {
        map_.field("maskbus", wire_version);
        map_.field("op", operation);
        if (!id.empty()) {
            map_.field("id", id);
        }
    }

    MapWriter& map() noexcept {
        return map_;
    }
    Packer& packer() noexcept {
        return packer_;
    }

    void image(const wire::Image& image) {
        map_.key("image");
        MapWriter map(packer_);
        if (const auto* view = std::get_if<ImageView>(&image)) {
            view_fields(map, *view);
        } else if (const auto* held = std::get_if<wire::HeldImage>(&image)) {
            map.field("image_id", held->image_id);
        } else if (const auto* slot = std::get_if<wire::SlotImage>(&image)) {
            this->slot(map, "slot", slot->slot);
        }
        map.end();
    }

    template <class Options>
    void work(const Options& options, std::optional<std::int64_t> deadline_ms) {
        if (!options.model.empty()) {
            map_.field("model", std::string_view(options.model));
        }
        if (options.route) {
            write_route(map_.key("route"), *options.route);
        }
        if (options.lane != Lane::interactive) {
            map_.field("lane", name_of(options.lane));
        }
        optional("deadline_ms", deadline_ms);
        optional("stamp", options.stamp);
        optional("frame_id", options.frame_id);
        optional("stream", options.stream);
        optional("seq", options.seq);
    }

    /// What the operations that answer masks share.
    template <class Options>
    void masks_wanted(const Options& options) {
        encodings(options.encodings);
        if (options.keep) {
            map_.field("keep", true);
        }
        if (options.publish) {
            map_.field("publish", std::string_view(*options.publish));
        }
        if (options.fresh) {
            map_.field("fresh", true);
        }
        size_and_post(options);
    }

    /// What becomes of images before, and of masks after the model.
    template <class Options>
    void size_and_post(const Options& options) {
        write_unless_zero(map_, "max_side", options.max_side);
        if (options.post) {
            write_post(map_.key("post"), *options.post);
        }
    }

    void text_options(const std::optional<TextOptions>& options) {
        if (options) {
            write_text_options(map_.key("text_options"), *options);
        }
    }

    void encodings(const std::vector<MaskEncoding>& encodings) {
        map_.key("encodings").begin_array(encodings.size());
        for (const MaskEncoding encoding : encodings) {
            packer_.write(name_of(encoding));
        }
    }

    void prompt(const Prompt& prompt) {
        if (!prompt.points.empty() || !prompt.boxes.empty() || prompt.mask || prompt.logits || !prompt.text.empty()) {
            prompt_in(map_, prompt);
        }
    }

    /// Write a prompt, also an empty one, as a field of a map.
    void prompt_in(MapWriter& outer, const Prompt& prompt) {
        outer.key("prompt");
        MapWriter map(packer_);
        if (!prompt.points.empty()) {
            map.key("points").begin_array(prompt.points.size());
            for (const Point& point : prompt.points) {
                numbers(point.x, point.y);
            }
        }
        if (!prompt.labels.empty()) {
            map.key("labels").begin_array(prompt.labels.size());
            for (const int label : prompt.labels) {
                packer_.write(std::int64_t{label});
            }
        }
        if (!prompt.boxes.empty()) {
            map.key("boxes").begin_array(prompt.boxes.size());
            for (const Box& box : prompt.boxes) {
                numbers(box.x0, box.y0, box.x1, box.y1);
            }
        }
        if (prompt.mask) {
            mask(map, *prompt.mask);
        }
        if (prompt.logits) {
            logits(map, *prompt.logits);
        }
        texts(map, "text", prompt.text);
        texts(map, "negative_text", prompt.negative_text);
        map.end();
    }

    void options(const std::map<std::string, OptionValue>& options) {
        if (!options.empty()) {
            options_in(options);
        }
    }

    /// Write options, also where there are none.
    void options_in(const std::map<std::string, OptionValue>& options) {
        map_.key("options");
        MapWriter map(packer_);
        for (const auto& [name, value] : options) {
            map.key(name);
            std::visit([this](const auto& held) { this->value(held); }, value);
        }
        map.end();
    }

    void slot(MapWriter& outer, std::string_view name, const Slot& slot) {
        outer.key(name);
        MapWriter map(packer_);
        map.field("lease", std::string_view(slot.lease));
        map.field("index", slot.index);
        map.field("generation", slot.generation);
        map.end();
    }

    void optional(std::string_view name, const std::optional<std::int64_t>& value) {
        if (value) {
            map_.field(name, *value);
        }
    }
    void optional(std::string_view name, const std::optional<std::string>& value) {
        if (value) {
            map_.field(name, std::string_view(*value));
        }
    }

    [[nodiscard]] wire::Message finish() {
        map_.end();
        return {packer_.take(), std::move(attachments_)};
    }

private:
    void value(bool held) {
        packer_.write(held);
    }
    void value(std::int64_t held) {
        packer_.write(held);
    }
    void value(double held) {
        packer_.write(held);
    }
    void value(const std::string& held) {
        packer_.write(std::string_view(held));
    }

    template <class... Numbers>
    void numbers(Numbers... values) {
        packer_.begin_array(sizeof...(values));
        (packer_.write(values), ...);
    }

    void view_fields(MapWriter& map, const ImageView& view) {
        attach(map, Bytes::borrow(view.data, view.bytes));
        map.field("encoding", name_of(view.encoding));
        if (view.width > 0) {
            map.field("width", std::int64_t{view.width});
        }
        if (view.height > 0) {
            map.field("height", std::int64_t{view.height});
        }
        if (view.step != 0 && view.step != view.width * channels(view.encoding)) {
            map.field("step", static_cast<std::int64_t>(view.step));
        }
    }

    void attach(MapWriter& map, Bytes bytes) {
        map.field("attachment", static_cast<std::int64_t>(attachments_.size()));
        attachments_.push_back(std::move(bytes));
    }

    void mask(MapWriter& outer, const MaskPrompt& mask) {
        outer.key("mask");
        MapWriter map(packer_);
        if (mask.encoding != MaskEncoding::rle) {
            attach(map, mask.bytes);
        }
        map.field("encoding", name_of(mask.encoding));
        if (mask.encoding == MaskEncoding::rle) {
            map.field("counts", std::string_view(mask.counts));
        }
        map.end();
    }

    void logits(MapWriter& outer, const LogitsPrompt& logits) {
        outer.key("logits");
        MapWriter map(packer_);
        attach(map, logits.bytes);
        map.key("shape").begin_array(logits.shape.size());
        for (const int side : logits.shape) {
            packer_.write(std::int64_t{side});
        }
        map.end();
    }

    void texts(MapWriter& map, std::string_view name, const std::vector<std::string>& texts) {
        if (texts.empty()) {
            return;
        }
        map.key(name).begin_array(texts.size());
        for (const std::string& text : texts) {
            packer_.write(std::string_view(text));
        }
    }

    Packer packer_;
    MapWriter map_;
    std::vector<Bytes> attachments_;
};

/// Write a request that has one text beside its id.
inline Result<wire::Message> name_request(std::string_view operation, std::string_view id, std::string_view field = {},
                                          std::string_view name = {}) {
    Checks checks;
    checks.name(id, "id");
    checks.name(name, field);
    if (checks.error) {
        return *std::move(checks.error);
    }
    RequestWriter writer(operation, id);
    if (!field.empty()) {
        writer.map().field(field, name);
    }
    return writer.finish();
}

/// Return what is wrong with the size of a written segment request, if anything is.
inline std::optional<Error> check_size(const wire::Message& message, const Prompt& prompt,
                                       const SegmentOptions& options, const Limits& limits) {
    const std::size_t size = message.header.size() - (prompt.mask ? prompt.mask->counts.size() : 0);
    if (size <= limits.control_bytes) {
        return std::nullopt;
    }
    const char* path = options.options.empty() ? "prompt" : "options";
    return Error{codes::too_large,
                 std::string(path) + " and all else but the image take " + std::to_string(size) + " bytes.", path};
}

}  // namespace maskbus::detail

namespace maskbus::wire {

inline Result<Message> segment(const Image& image, const Prompt& prompt, const SegmentOptions& options,
                               std::string_view id, std::optional<std::int64_t> deadline_ms, const Slot* result) {
    detail::Checks checks;
    detail::check_work(checks, options, id, deadline_ms);
    detail::check_image(checks, image);
    detail::check_options(checks, options);
    if (result != nullptr) {
        detail::check_slot(checks, *result, "result");
    }
    const detail::Size size = detail::size_of_image(image);
    detail::check_prompt(checks, prompt, size.width, size.height);
    if (options.text_options && prompt.text.empty()) {
        checks.fail(codes::invalid_value, "Options for texts go with a text.", "text_options");
    }
    detail::check_text_options(checks, options.text_options);
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::RequestWriter writer("segment", id);
    writer.image(image);
    writer.work(options, deadline_ms);
    writer.masks_wanted(options);
    writer.prompt(prompt);
    if (options.multimask) {
        writer.map().field("multimask", true);
    }
    if (result != nullptr) {
        writer.slot(writer.map(), "result", *result);
    }
    writer.text_options(options.text_options);
    writer.options(options.options);
    Message message = writer.finish();
    if (auto error = detail::check_size(message, prompt, options, checks.limits)) {
        return *std::move(error);
    }
    return message;
}

inline Result<Message> embed(const Image& image, const EmbedOptions& options, std::string_view id,
                             std::optional<std::int64_t> deadline_ms) {
    detail::Checks checks;
    detail::check_work(checks, options, id, deadline_ms);
    detail::check_image(checks, image);
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::RequestWriter writer("embed", id);
    writer.image(image);
    writer.work(options, deadline_ms);
    return writer.finish();
}

inline Result<Message> release(std::string_view image_id, std::string_view id) {
    return detail::name_request("release", id, "image_id", image_id);
}

inline Result<Message> cancel(std::string_view target, std::string_view id) {
    if (target.empty()) {
        return Error{codes::invalid_value, "Name the request to cancel by its id.", "target"};
    }
    return detail::name_request("cancel", id, "target", target);
}

inline Result<Message> ping(std::string_view id) {
    return detail::name_request("ping", id);
}

inline Result<Message> describe(std::string_view id) {
    return detail::name_request("describe", id);
}

inline Result<Message> stats(std::string_view id) {
    return detail::name_request("stats", id);
}

inline Result<Message> lease(std::int64_t slots, std::int64_t slot_bytes, std::string_view id) {
    constexpr std::int64_t most_slots = 64;
    detail::Checks checks;
    checks.name(id, "id");
    if (slots < 1 || slots > most_slots) {
        checks.fail(codes::invalid_value, "A lease has 1 to " + std::to_string(most_slots) + " slots.", "slots");
    }
    if (slot_bytes < 1) {
        checks.fail(codes::invalid_value, "A slot has at least one byte.", "slot_bytes");
    } else if (static_cast<std::uint64_t>(slot_bytes) > checks.limits.frame_bytes) {
        checks.fail(codes::too_large,
                    "A slot has at most " + std::to_string(checks.limits.frame_bytes) + " bytes, as a frame.",
                    "slot_bytes");
    }
    if (checks.error) {
        return *std::move(checks.error);
    }
    detail::RequestWriter writer("lease", id);
    writer.map().field("slots", slots);
    writer.map().field("slot_bytes", slot_bytes);
    return writer.finish();
}

inline Result<Message> give_back(std::string_view lease, std::string_view id) {
    return detail::name_request("return", id, "lease", lease);
}

}  // namespace maskbus::wire
