#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "hex.hpp"
#include "maskbus/wire.hpp"
#include "replies.hpp"

/// Requests read into the arguments of the client's own functions, and written again by these.
namespace requests {

using Json = nlohmann::json;
using maskbus::detail::Fields;
using maskbus::detail::Object;
using maskbus::detail::Reading;
using maskbus::detail::text_of;
using maskbus::detail::Where;

/// Why a message cannot be said with the client's functions: it sends bytes in one way only, say, or the message is
/// wrong in a way that C++ types rule out.
struct Unsayable {
    std::string reason;
};

class Reader {
public:
    explicit Reader(const maskbus::wire::Opened& opened) : in_{opened}, fields_(in_, opened.header(), root_) {}

    template <class T>
    T get(const char* name, T fallback = {}) {
        return get(fields_, name, std::move(fallback));
    }

    maskbus::wire::Image image() {
        const Fields fields = inner(fields_, "image");
        if (const auto id = get<std::optional<std::string>>(fields, "image_id")) {
            alone(fields, "image_id");
            text_ = *id;
            return maskbus::wire::HeldImage{text_, 0, 0};
        }
        if (fields.find("slot") != nullptr) {
            alone(fields, "slot");
            return maskbus::wire::SlotImage{*slot(fields, "slot"), 0, 0};
        }
        maskbus::ImageView view;
        const maskbus::Bytes bytes = attachment(fields);
        view.data = bytes.data();
        view.bytes = bytes.size();
        view.encoding = image_encoding(fields);
        view.width = side(fields, "width");
        view.height = side(fields, "height");
        if (const auto step = get<std::optional<std::int64_t>>(fields, "step")) {
            if (*step < 1) {
                throw Unsayable{"a step below 1"};
            }
            view.step = static_cast<std::size_t>(*step);
        }
        return view;
    }

    maskbus::Prompt prompt() {
        return prompt(fields_);
    }

    maskbus::StreamOptions stream_options() {
        using maskbus::StreamPolicy;
        maskbus::StreamOptions options;
        options.model = get<std::string>("model");
        options.prompt = prompt();
        options.multimask = get<bool>("multimask");
        options.track = get<bool>("track");
        options.objects = objects();
        options.encodings = encodings(get<std::vector<std::string>>("encodings", {"rle"}));
        if (get<bool>("inline")) {
            throw Unsayable{"bytes of the results in their header"};
        }
        options.policy = named(get<std::string>("policy", "newest"),
                               {StreamPolicy::newest, StreamPolicy::every, StreamPolicy::sample});
        options.max_fps = get<std::optional<double>>("max_fps");
        options.max_waiting = get<std::int64_t>("max_waiting", 8);
        options.max_age = milliseconds("max_age_ms");
        options.age_from =
            named(get<std::string>("age_from", "receipt"), {maskbus::AgeFrom::receipt, maskbus::AgeFrom::stamp});
        options.frame_deadline = milliseconds("deadline_ms");
        options.always = get<bool>("always");
        options.idle = milliseconds("idle_ms");
        options.max_side = get<std::int64_t>("max_side");
        options.post = post();
        options.text_options = text_options();
        if (const Object* found = fields_.find("options")) {
            options.options = own_options(*found);
        }
        return options;
    }

    maskbus::FrameOptions frame_options() {
        maskbus::FrameOptions options;
        options.stamp = get<std::optional<std::int64_t>>("stamp");
        options.frame_id = get<std::optional<std::string>>("frame_id");
        options.seq = get<std::optional<std::int64_t>>("seq");
        return options;
    }

    maskbus::StreamUpdate stream_update() {
        maskbus::StreamUpdate update;
        if (fields_.find("prompt") != nullptr) {
            update.prompt = prompt();
        }
        update.objects = objects();
        update.remove = get<std::vector<std::int64_t>>("remove");
        if (const auto names = get<std::optional<std::vector<std::string>>>("encodings")) {
            update.encodings = encodings(*names);
        }
        update.max_fps = get<std::optional<double>>("max_fps");
        update.max_age = milliseconds("max_age_ms");
        update.always = get<std::optional<bool>>("always");
        if (const Object* found = fields_.find("options")) {
            update.options = own_options(*found);
        }
        return update;
    }

    template <class Options>
    void work(Options& options) {
        options.model = get<std::string>("model");
        options.route = route();
        options.lane = named(get<std::string>("lane", "interactive"),
                             {maskbus::Lane::interactive, maskbus::Lane::stream, maskbus::Lane::batch});
        options.stamp = get<std::optional<std::int64_t>>("stamp");
        options.frame_id = get<std::optional<std::string>>("frame_id");
        options.stream = get<std::optional<std::string>>("stream");
        options.seq = get<std::optional<std::int64_t>>("seq");
    }

    template <class Options>
    void masks_wanted(Options& options) {
        options.encodings = encodings(get<std::vector<std::string>>("encodings", {"rle"}));
        options.keep = get<bool>("keep");
        options.publish = get<std::optional<std::string>>("publish");
        options.fresh = get<bool>("fresh");
        options.max_side = get<std::int64_t>("max_side");
        options.post = post();
        if (get<bool>("inline")) {
            throw Unsayable{"bytes of the reply in its header"};
        }
    }

    maskbus::EverythingOptions everything_options() {
        using maskbus::Preset;
        maskbus::EverythingOptions options;
        work(options);
        masks_wanted(options);
        options.preset = named(get<std::string>("preset", "default"), {Preset::standard, Preset::dense, Preset::fast});
        if (get<bool>("progress")) {
            options.progress = [](const maskbus::Progress&) {};
        }
        if (fields_.find("settings") == nullptr) {
            return options;
        }
        const Fields fields = inner(fields_, "settings");
        maskbus::EverythingSettings& settings = options.settings;
        fields.optional("points_per_side", settings.points_per_side);
        fields.optional("points_per_batch", settings.points_per_batch);
        fields.optional("pred_iou_thresh", settings.pred_iou_thresh);
        fields.optional("stability_score_thresh", settings.stability_score_thresh);
        fields.optional("stability_score_offset", settings.stability_score_offset);
        fields.optional("box_nms_thresh", settings.box_nms_thresh);
        fields.optional("crop_n_layers", settings.crop_n_layers);
        fields.optional("crop_nms_thresh", settings.crop_nms_thresh);
        fields.optional("crop_overlap_ratio", settings.crop_overlap_ratio);
        fields.optional("crop_n_points_downscale_factor", settings.crop_n_points_downscale_factor);
        fields.optional("min_mask_region_area", settings.min_mask_region_area);
        fields.optional("min_area", settings.min_area);
        fields.optional("max_masks", settings.max_masks);
        fields.optional("retry", settings.retry);
        require_sound();
        return options;
    }

    maskbus::SegmentOptions segment_options() {
        maskbus::SegmentOptions options;
        work(options);
        masks_wanted(options);
        options.multimask = get<bool>("multimask");
        options.text_options = text_options();
        if (const Object* found = fields_.find("options")) {
            options.options = own_options(*found);
        }
        return options;
    }

    std::optional<maskbus::Slot> slot(const char* name) {
        return slot(fields_, name);
    }

private:
    template <class T>
    T get(const Fields& fields, const char* name, T fallback = {}) {
        fields.optional(name, fallback);
        require_sound();
        return fallback;
    }

    void require_sound() const {
        if (in_.error) {
            throw Unsayable{in_.error->path + ": " + in_.error->message};
        }
    }

    Fields inner(const Fields& fields, const char* name) {
        const Object* found = fields.find(name);
        if (found == nullptr || found->type != msgpack::type::MAP) {
            throw Unsayable{std::string(name) + " that is no map"};
        }
        return {in_, *found, root_};
    }

    maskbus::Prompt prompt(const Fields& outer) {
        maskbus::Prompt prompt;
        if (outer.find("prompt") == nullptr) {
            return prompt;
        }
        const Fields fields = inner(outer, "prompt");
        for (const auto& [x, y] : get<std::vector<std::array<double, 2>>>(fields, "points")) {
            prompt.points.push_back({x, y});
        }
        for (const std::int64_t label : get<std::vector<std::int64_t>>(fields, "labels")) {
            prompt.labels.push_back(static_cast<int>(label));
        }
        for (const auto& [x0, y0, x1, y1] : get<std::vector<std::array<double, 4>>>(fields, "boxes")) {
            prompt.boxes.push_back({x0, y0, x1, y1});
        }
        if (fields.find("mask") != nullptr) {
            const Fields mask = inner(fields, "mask");
            auto& found = prompt.mask.emplace();
            found.encoding = encoding(get<std::string>(mask, "encoding"));
            found.counts = get<std::string>(mask, "counts");
            if (mask.find("attachment") != nullptr || mask.find("data") != nullptr || mask.find("base64") != nullptr) {
                found.bytes = attachment(mask);
            }
        }
        if (fields.find("logits") != nullptr) {
            const Fields logits = inner(fields, "logits");
            auto& found = prompt.logits.emplace();
            if (logits.find("shape") == nullptr) {
                throw Unsayable{"logits without a shape"};
            }
            const auto shape = get<std::array<std::int64_t, 2>>(logits, "shape");
            found.shape = {static_cast<int>(shape[0]), static_cast<int>(shape[1])};
            if (logits.find("attachment") != nullptr || logits.find("data") != nullptr) {
                found.bytes = attachment(logits);
            }
        }
        prompt.text = get<std::vector<std::string>>(fields, "text");
        prompt.negative_text = get<std::vector<std::string>>(fields, "negative_text");
        return prompt;
    }

    std::optional<maskbus::Route> route() {
        if (fields_.find("route") == nullptr) {
            return std::nullopt;
        }
        const Fields fields = inner(fields_, "route");
        maskbus::Route route;
        fields.optional("models", route.models);
        fields.optional("min_predicted_iou", route.min_predicted_iou);
        fields.optional("share", route.share);
        require_sound();
        return route;
    }

    std::optional<maskbus::PostProcessing> post() {
        if (fields_.find("post") == nullptr) {
            return std::nullopt;
        }
        const Fields fields = inner(fields_, "post");
        maskbus::PostProcessing post;
        fields.optional("fill_holes", post.fill_holes);
        fields.optional("remove_islands", post.remove_islands);
        fields.optional("smooth", post.smooth);
        fields.optional("min_area", post.min_area);
        fields.optional("max_contours", post.max_contours);
        fields.optional("max_error", post.max_error);
        require_sound();
        return post;
    }

    std::optional<maskbus::TextOptions> text_options() {
        using maskbus::TextBackground;
        using maskbus::TextCombine;
        using maskbus::TextSelect;
        if (fields_.find("text_options") == nullptr) {
            return std::nullopt;
        }
        const Fields fields = inner(fields_, "text_options");
        maskbus::TextOptions options;
        options.select = maybe_named(fields, "select", {TextSelect::softmax, TextSelect::cosine, TextSelect::top});
        fields.optional("threshold", options.threshold);
        fields.optional("top", options.top);
        options.combine = maybe_named(fields, "combine", {TextCombine::each, TextCombine::whole});
        options.background =
            maybe_named(fields, "background",
                        {TextBackground::black, TextBackground::mean, TextBackground::blur, TextBackground::keep});
        fields.optional("margin", options.margin);
        require_sound();
        return options;
    }

    template <class Enum>
    std::optional<Enum> maybe_named(const Fields& fields, const char* name, std::initializer_list<Enum> all) {
        const auto word = get<std::optional<std::string>>(fields, name);
        return word ? std::optional<Enum>(named(*word, all)) : std::nullopt;
    }

    std::vector<maskbus::TrackedObject> objects() {
        std::vector<maskbus::TrackedObject> objects;
        const Object* list = fields_.find("objects");
        if (list == nullptr) {
            return objects;
        }
        if (list->type != msgpack::type::ARRAY) {
            throw Unsayable{"objects that are no array"};
        }
        for (std::uint32_t i = 0; i < list->via.array.size; ++i) {
            const Fields fields(in_, list->via.array.ptr[i], root_);
            maskbus::TrackedObject object;
            fields.required("object_id", object.object_id);
            require_sound();
            object.prompt = prompt(fields);
            objects.push_back(std::move(object));
        }
        return objects;
    }

    std::optional<std::chrono::milliseconds> milliseconds(const char* name) {
        const auto count = get<std::optional<std::int64_t>>(name);
        return count ? std::optional<std::chrono::milliseconds>(*count) : std::nullopt;
    }

    static std::vector<maskbus::MaskEncoding> encodings(const std::vector<std::string>& names) {
        std::vector<maskbus::MaskEncoding> found;
        found.reserve(names.size());
        for (const std::string& name : names) {
            found.push_back(encoding(name));
        }
        return found;
    }

    static std::map<std::string, maskbus::OptionValue> own_options(const Object& map) {
        if (map.type != msgpack::type::MAP) {
            throw Unsayable{"options that are no map"};
        }
        std::map<std::string, maskbus::OptionValue> options;
        for (std::uint32_t i = 0; i < map.via.map.size; ++i) {
            const auto& [key, value] = map.via.map.ptr[i];
            options[std::string(text_of(key))] = option(value);
        }
        return options;
    }

    static void alone(const Fields& fields, std::string_view allowed) {
        for (const char* name :
             {"attachment", "data", "base64", "shared", "image_id", "slot", "encoding", "width", "height", "step"}) {
            if (name != allowed && fields.find(name) != nullptr) {
                throw Unsayable{"a reference to an image beside other fields"};
            }
        }
    }

    std::optional<maskbus::Slot> slot(const Fields& fields, const char* name) {
        std::optional<maskbus::Slot> found;
        fields.optional(name, found);
        require_sound();
        return found;
    }

    maskbus::Bytes attachment(const Fields& fields) {
        const auto index = get<std::optional<std::int64_t>>(fields, "attachment");
        if (!index || fields.find("data") != nullptr || fields.find("base64") != nullptr ||
            fields.find("shared") != nullptr) {
            throw Unsayable{"bytes that are no attachment"};
        }
        const auto& attachments = in_.message.attachments();
        if (*index != static_cast<std::int64_t>(attached_) || attached_ >= attachments.size()) {
            throw Unsayable{"attachments in another order than the client's"};
        }
        return attachments[attached_++];
    }

    maskbus::ImageEncoding image_encoding(const Fields& fields) {
        using maskbus::ImageEncoding;
        return named(get<std::string>(fields, "encoding"),
                     {ImageEncoding::mono8, ImageEncoding::rgb8, ImageEncoding::bgr8, ImageEncoding::rgba8,
                      ImageEncoding::bgra8, ImageEncoding::jpeg, ImageEncoding::png, ImageEncoding::webp});
    }

    std::uint32_t side(const Fields& fields, const char* name) {
        const auto pixels = get<std::optional<std::int64_t>>(fields, name);
        if (pixels && (*pixels < 0 || *pixels > 0xFFFFFFFF)) {
            throw Unsayable{"a side that is no uint32"};
        }
        if (!pixels && maskbus::channels(image_encoding(fields)) != 0) {
            throw Unsayable{"a raw image without its size"};
        }
        return static_cast<std::uint32_t>(pixels.value_or(0));
    }

    static maskbus::OptionValue option(const Object& value) {
        switch (value.type) {
            case msgpack::type::BOOLEAN:
                return value.via.boolean;
            case msgpack::type::POSITIVE_INTEGER:
                return static_cast<std::int64_t>(value.via.u64);
            case msgpack::type::NEGATIVE_INTEGER:
                return value.via.i64;
            case msgpack::type::FLOAT32:
            case msgpack::type::FLOAT64:
                return value.via.f64;
            case msgpack::type::STR:
                return std::string(text_of(value));
            default:
                throw Unsayable{"an option that is no bool, number or text"};
        }
    }

    template <class Enum>
    static Enum named(std::string_view name, std::initializer_list<Enum> all) {
        for (const Enum one : all) {
            if (name_of(one) == name) {
                return one;
            }
        }
        throw Unsayable{"no name of an enumerator: " + std::string(name)};
    }

    static maskbus::MaskEncoding encoding(std::string_view name) {
        using maskbus::MaskEncoding;
        return named(name, {MaskEncoding::rle, MaskEncoding::bits, MaskEncoding::bits_zlib, MaskEncoding::png,
                            MaskEncoding::png_base64, MaskEncoding::polygon, MaskEncoding::raw, MaskEncoding::labels,
                            MaskEncoding::logits, MaskEncoding::overlay});
    }

    Reading in_;
    Where root_;
    Fields fields_;
    std::string text_;
    std::size_t attached_ = 0;
};

inline maskbus::Result<maskbus::wire::Message> again(const maskbus::wire::Opened& opened) {
    if (const auto wrong = maskbus::detail::check_version(opened)) {
        throw Unsayable{wrong->message};
    }
    Reader reader(opened);
    const auto operation = reader.get<std::string>("op");
    const auto id = reader.get<std::string>("id");
    if (operation == "segment") {
        const auto image = reader.image();
        const auto prompt = reader.prompt();
        const auto options = reader.segment_options();
        const auto deadline = reader.get<std::optional<std::int64_t>>("deadline_ms");
        const auto result = reader.slot("result");
        return maskbus::wire::segment(image, prompt, options, id, deadline, result ? &*result : nullptr);
    }
    if (operation == "everything") {
        const auto image = reader.image();
        const auto options = reader.everything_options();
        const auto deadline = reader.get<std::optional<std::int64_t>>("deadline_ms");
        return maskbus::wire::everything(image, options, id, deadline);
    }
    if (operation == "embed") {
        const auto image = reader.image();
        maskbus::EmbedOptions options;
        reader.work(options);
        const auto deadline = reader.get<std::optional<std::int64_t>>("deadline_ms");
        return maskbus::wire::embed(image, options, id, deadline);
    }
    const auto text = [&reader](const char* name) {
        auto found = reader.get<std::optional<std::string>>(name);
        if (!found) {
            throw Unsayable{std::string(name) + " that is missing"};
        }
        return *std::move(found);
    };
    if (operation == "release") {
        return maskbus::wire::release(text("image_id"), id);
    }
    if (operation == "cancel") {
        return maskbus::wire::cancel(text("target"), id);
    }
    if (operation == "return") {
        return maskbus::wire::give_back(text("lease"), id);
    }
    if (operation == "lease") {
        const auto slots = reader.get<std::optional<std::int64_t>>("slots");
        const auto bytes = reader.get<std::optional<std::int64_t>>("slot_bytes");
        if (!slots || !bytes) {
            throw Unsayable{"a lease without its size"};
        }
        return maskbus::wire::lease(*slots, *bytes, id);
    }
    if (operation == "ping") {
        return maskbus::wire::ping(id);
    }
    if (operation == "describe") {
        return maskbus::wire::describe(id);
    }
    if (operation == "stats") {
        return maskbus::wire::stats(id);
    }
    if (operation == "stream.open") {
        const std::string stream = text("stream");
        return maskbus::wire::stream_open(stream, reader.stream_options(), id);
    }
    if (operation == "stream.frame") {
        const std::string stream = text("stream");
        const auto image = reader.image();
        return maskbus::wire::stream_frame(stream, image, reader.frame_options(), id, reader.get<bool>("ack"));
    }
    if (operation == "stream.update") {
        const std::string stream = text("stream");
        return maskbus::wire::stream_update(stream, reader.stream_update(), id);
    }
    if (operation == "stream.close") {
        return maskbus::wire::stream_close(text("stream"), id);
    }
    if (operation == "stream.list") {
        return maskbus::wire::stream_list(id);
    }
    throw Unsayable{"an operation that the client does not have: " + operation};
}

inline Json read(const maskbus::wire::Opened& opened) {
    try {
        const auto message = again(opened);
        if (!message) {
            return replies::refusal(message.error());
        }
        Json frames = Json::array({hex::encode(message->header.data(), message->header.size())});
        for (const maskbus::Bytes& attachment : message->attachments) {
            frames.push_back(hex::encode(attachment.data(), attachment.size()));
        }
        return {{"encoded", std::move(frames)}};
    } catch (const Unsayable& unsayable) {
        return {{"unsayable", unsayable.reason}};
    }
}

}  // namespace requests
