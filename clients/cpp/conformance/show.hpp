#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hex.hpp"
#include "maskbus/wire.hpp"

/// Replies as JSON, every field of them, bytes as {"$hex": …}.
namespace show {

using Json = nlohmann::json;

inline Json json(bool value) {
    return value;
}
inline Json json(std::int64_t value) {
    return value;
}
inline Json json(std::uint32_t value) {
    return value;
}
inline Json json(double value) {
    return value;
}
inline Json json(const std::string& value) {
    return value;
}
inline Json json(const maskbus::Bytes& value) {
    return {{"$hex", hex::encode(value.data(), value.size())}};
}
template <class T>
Json json(const std::map<std::string, T>& value) {
    return value.empty() ? Json::object() : Json(value);
}
template <class T>
Json json(const std::vector<T>& values);
template <class T>
Json json(const std::optional<T>& value);

inline Json json(const maskbus::Timings& value) {
    return {{"queued_ms", value.queued_ms}, {"decode_image_ms", value.decode_image_ms},
            {"embed_ms", value.embed_ms},   {"decode_ms", value.decode_ms},
            {"encode_ms", value.encode_ms}, {"total_ms", value.total_ms}};
}

inline Json json(const maskbus::Slot& value) {
    return {{"lease", value.lease}, {"index", value.index}, {"generation", value.generation}};
}

inline Json json(const maskbus::Tensor& value) {
    const char* names[] = {"float32", "uint8", "uint16"};
    return {{"bytes", json(value.bytes)},
            {"shape", {value.shape[0], value.shape[1]}},
            {"dtype", names[static_cast<int>(value.dtype)]}};
}

inline Json json(const maskbus::Attempt& value) {
    return {{"model", value.model}, {"code", value.code}, {"message", value.message}, {"ms", value.ms}};
}

inline Json json(const maskbus::TextScore& value) {
    return {{"text", value.text},
            {"masks", value.masks},
            {"proposals", value.proposals},
            {"similarity", json(value.similarity)},
            {"probability", json(value.probability)}};
}

inline Json json(const maskbus::ErrorReply& value) {
    return {{"id", value.id},
            {"code", value.code},
            {"message", value.message},
            {"path", value.path},
            {"queue_length", json(value.queue_length)},
            {"versions", json(value.versions)},
            {"tried", json(value.tried)},
            {"stamp", json(value.stamp)},
            {"frame_id", json(value.frame_id)},
            {"stream", json(value.stream)},
            {"seq", json(value.seq)}};
}

inline Json json(const maskbus::Embedded& value) {
    return {{"id", value.id},
            {"model", value.model},
            {"width", value.width},
            {"height", value.height},
            {"image_id", json(value.image_id)},
            {"cached", value.cached},
            {"timings", json(value.timings)},
            {"stamp", json(value.stamp)},
            {"frame_id", json(value.frame_id)},
            {"stream", json(value.stream)},
            {"seq", json(value.seq)},
            {"notes", json(value.notes)},
            {"tried", json(value.tried)},
            {"reused", value.reused},
            {"embedding_bytes", value.embedding_bytes}};
}

inline Json json(const maskbus::Released& value) {
    return {{"id", value.id}};
}
inline Json json(const maskbus::Returned& value) {
    return {{"id", value.id}};
}
inline Json json(const maskbus::Cancelled& value) {
    return {{"id", value.id}, {"cancelled", value.cancelled}};
}
inline Json json(const maskbus::Leased& value) {
    return {{"id", value.id},
            {"lease", value.lease},
            {"path", value.path},
            {"bytes", value.bytes},
            {"generation", value.generation}};
}

inline Json json(const maskbus::Pong& value) {
    return {{"id", value.id},
            {"node", value.node},
            {"version", value.version},
            {"uptime_s", value.uptime_s},
            {"endpoints", json(value.endpoints)},
            {"publish_endpoints", json(value.publish_endpoints)}};
}

inline Json json(const maskbus::Model& value) {
    return {{"name", value.name},
            {"title", value.title},
            {"prompts", json(value.prompts)},
            {"encodings", json(value.encodings)},
            {"licence", value.licence},
            {"weights", value.weights},
            {"ready", value.ready},
            {"missing", value.missing},
            {"multimask", value.multimask},
            {"everything", value.everything},
            {"tracks", value.tracks},
            {"device", value.device},
            {"default", value.is_default},
            {"default_for_text", value.default_for_text}};
}

inline Json json(const maskbus::RouteInfo& value) {
    return {{"name", value.name},
            {"models", json(value.models)},
            {"min_predicted_iou", value.min_predicted_iou},
            {"share", json(value.share)}};
}

inline Json json(const maskbus::Models& value) {
    return {{"id", value.id},
            {"models", json(value.models)},
            {"image_encodings", json(value.image_encodings)},
            {"limits", json(value.limits)},
            {"routes", json(value.routes)}};
}

inline Json json(const maskbus::ModelStatistics& value) {
    return {{"name", value.name},         {"queued", json(value.queued)}, {"running", value.running},
            {"answered", value.answered}, {"errors", json(value.errors)}, {"rate", value.rate},
            {"p50_ms", value.p50_ms},     {"p99_ms", value.p99_ms},       {"left_out_s", value.left_out_s}};
}

inline Json json(const maskbus::CacheStatistics& value) {
    return {{"store", value.store},     {"hits", value.hits},           {"misses", value.misses},
            {"stored", value.stored},   {"evictions", value.evictions}, {"errors", value.errors},
            {"entries", value.entries}, {"bytes", value.bytes}};
}

inline Json json(const maskbus::WorkerStatistics& value) {
    return {{"model", value.model},
            {"device", value.device},
            {"state", value.state},
            {"pid", value.pid},
            {"restarts", value.restarts},
            {"rss_bytes", value.rss_bytes},
            {"cache_bytes", value.cache_bytes},
            {"cache_entries", value.cache_entries},
            {"cache_hits", value.cache_hits},
            {"cache_misses", value.cache_misses},
            {"cache_evictions", value.cache_evictions},
            {"last_error", value.last_error}};
}

inline Json json(const maskbus::TopicStatistics& value) {
    return {{"topic", value.topic}, {"published", value.published}};
}

inline Json json(const maskbus::Statistics& value) {
    return {{"id", value.id},
            {"node", value.node},
            {"version", value.version},
            {"uptime_s", value.uptime_s},
            {"models", json(value.models)},
            {"workers", json(value.workers)},
            {"topics", json(value.topics)},
            {"images", value.images},
            {"shm_bytes", value.shm_bytes},
            {"shm_used_bytes", value.shm_used_bytes},
            {"leases", value.leases},
            {"leased_bytes", value.leased_bytes},
            {"rss_bytes", value.rss_bytes},
            {"received", value.received},
            {"rejected", value.rejected},
            {"unanswerable", value.unanswerable},
            {"cache", json(value.cache)}};
}

inline Json json(const maskbus::StreamCounts& value) {
    return {{"received", value.received}, {"answered", value.answered}, {"dropped", json(value.dropped)}};
}

inline Json json(const maskbus::StreamOpened& value) {
    return {{"id", value.id},
            {"stream", value.stream},
            {"model", value.model},
            {"topic", value.topic},
            {"frames_topic", value.frames_topic},
            {"resumed", value.resumed},
            {"limit", json(value.limit)}};
}

inline Json json(const maskbus::StreamFrameTaken& value) {
    return {{"id", value.id}, {"stream", value.stream}, {"seq", json(value.seq)}, {"limit", json(value.limit)}};
}
inline Json json(const maskbus::StreamCredit& value) {
    return {{"id", value.id}, {"stream", value.stream}, {"limit", value.limit}};
}
inline Json json(const maskbus::StreamUpdated& value) {
    return {{"id", value.id}, {"stream", value.stream}, {"seq", json(value.seq)}};
}
inline Json json(const maskbus::StreamClosed& value) {
    return {{"id", value.id}, {"stream", value.stream}, {"counts", json(value.counts)}};
}

inline Json json(const maskbus::StreamInfo& value) {
    return {{"stream", value.stream},       {"model", value.model},          {"topic", value.topic},
            {"policy", value.policy},       {"track", value.track},          {"object_ids", json(value.object_ids)},
            {"width", value.width},         {"height", value.height},        {"counts", json(value.counts)},
            {"under_way", value.under_way}, {"watched", value.watched},      {"rate_in", value.rate_in},
            {"rate_out", value.rate_out},   {"p50_ms", value.p50_ms},        {"p99_ms", value.p99_ms},
            {"idle_s", value.idle_s},       {"last_error", value.last_error}};
}

inline Json json(const maskbus::Streams& value) {
    return {{"id", value.id}, {"streams", json(value.streams)}};
}

/// What is not there is 0: the image as the client's functions have it.
inline Json json(const maskbus::PublishedFrame& value) {
    return {{"id", value.id},
            {"stream", value.stream},
            {"topic", value.topic},
            {"image",
             {{"bytes", json(value.data)},
              {"encoding", name_of(value.encoding)},
              {"width", value.width},
              {"height", value.height},
              {"step", value.step}}},
            {"stamp", json(value.stamp)},
            {"frame_id", json(value.frame_id)},
            {"seq", json(value.seq)}};
}

inline Json json(const maskbus::BoundingBox& value) {
    return {value.x, value.y, value.width, value.height};
}

inline Json json(const maskbus::Point& value) {
    return {value.x, value.y};
}

inline Json json(const maskbus::Mask& value) {
    const auto rle = value.rle();
    const auto png_base64 = value.png_base64();
    return {{"bbox", json(value.bbox())},
            {"area", value.area()},
            {"predicted_iou", value.predicted_iou()},
            {"stability_score", value.stability_score()},
            {"label", json(value.label())},
            {"similarity", json(value.similarity())},
            {"probability", json(value.probability())},
            {"point", json(value.point())},
            {"crop_box", json(value.crop_box())},
            {"object_id", json(value.object_id())},
            {"present", json(value.present())},
            {"rle", rle ? Json{{"size", {value.height(), value.width()}}, {"counts", rle->text()}} : Json()},
            {"bits", json(value.bits())},
            {"bits+zlib", json(value.bits_zlib())},
            {"png", json(value.png())},
            {"png_base64", png_base64 ? Json(png_base64->text()) : Json()},
            {"polygon", json(value.polygon())},
            {"raw", json(value.raw())},
            {"logits", json(value.logits())}};
}

inline Json json(const maskbus::Segmentation& value) {
    return {{"id", value.id()},
            {"model", value.model()},
            {"width", value.width()},
            {"height", value.height()},
            {"image_id", json(value.image_id())},
            {"cached", value.cached()},
            {"timings", json(value.timings())},
            {"stamp", json(value.stamp())},
            {"frame_id", json(value.frame_id())},
            {"stream", json(value.stream())},
            {"seq", json(value.seq())},
            {"notes", json(value.notes())},
            {"tried", json(value.tried())},
            {"reused", value.reused()},
            {"masks", json(value.masks())},
            {"encodings", json(value.encodings())},
            {"labels", json(value.labels())},
            {"overlay", json(value.overlay())},
            {"result", json(value.result())},
            {"topic", json(value.topic())},
            {"published", json(value.published())},
            {"retained", value.retained()},
            {"counts", json(value.counts())},
            {"scores", json(value.scores())}};
}

inline Json json(const maskbus::Progress& value) {
    return {{"id", value.id},
            {"done", value.done},
            {"total", value.total},
            {"found", value.found},
            {"masks", json(value.masks)}};
}

template <class T>
Json json(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) {
        list.push_back(json(value));
    }
    return list;
}

template <class T>
Json json(const std::optional<T>& value) {
    return value ? json(*value) : Json();
}

}  // namespace show
