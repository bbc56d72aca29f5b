#pragma once

#include <cstdint>
#include <string>

#include "maskbus/detail/fields.hpp"
#include "maskbus/replies.hpp"

// One function a struct of SPEC.md, section 10, one line a field. A new field is a new line.
namespace maskbus::detail {

inline void read(Reading& in, const Object& map, const Where& where, Timings& out) {
    const Fields fields(in, map, where);
    fields.optional("queued_ms", out.queued_ms);
    fields.optional("decode_image_ms", out.decode_image_ms);
    fields.optional("embed_ms", out.embed_ms);
    fields.optional("decode_ms", out.decode_ms);
    fields.optional("encode_ms", out.encode_ms);
    fields.optional("total_ms", out.total_ms);
}

inline void read(Reading& in, const Object& map, const Where& where, Attempt& out) {
    const Fields fields(in, map, where);
    fields.required("model", out.model);
    fields.required("code", out.code);
    fields.required("message", out.message);
    fields.optional("ms", out.ms);
}

inline void read(Reading& in, const Object& map, const Where& where, TextScore& out) {
    const Fields fields(in, map, where);
    fields.required("text", out.text);
    fields.required("masks", out.masks);
    fields.required("proposals", out.proposals);
    fields.optional("similarity", out.similarity);
    fields.optional("probability", out.probability);
}

/// What goes through a node untouched.
template <class Reply>
void read_passed_through(const Fields& fields, Reply& out) {
    fields.optional("stamp", out.stamp);
    fields.optional("frame_id", out.frame_id);
    fields.optional("stream", out.stream);
    fields.optional("seq", out.seq);
}

/// The wire's `Answer`.
template <class Reply>
void read_answer(const Fields& fields, Reply& out) {
    fields.optional("id", out.id);
    fields.required("model", out.model);
    fields.required("width", out.width);
    fields.required("height", out.height);
    fields.optional("image_id", out.image_id);
    fields.optional("cached", out.cached);
    fields.optional("timings", out.timings);
    read_passed_through(fields, out);
    fields.optional("notes", out.notes);
    fields.optional("tried", out.tried);
    fields.optional("reused", out.reused);
}

inline void read(Reading& in, const Object& map, const Where& where, ErrorReply& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("code", out.code);
    fields.required("message", out.message);
    fields.optional("path", out.path);
    fields.optional("queue_length", out.queue_length);
    fields.optional("versions", out.versions);
    fields.optional("tried", out.tried);
    read_passed_through(fields, out);
}

inline void read(Reading& in, const Object& map, const Where& where, Embedded& out) {
    const Fields fields(in, map, where);
    read_answer(fields, out);
    fields.optional("embedding_bytes", out.embedding_bytes);
}

inline void read(Reading& in, const Object& map, const Where& where, Released& out) {
    Fields(in, map, where).optional("id", out.id);
}

inline void read(Reading& in, const Object& map, const Where& where, Returned& out) {
    Fields(in, map, where).optional("id", out.id);
}

inline void read(Reading& in, const Object& map, const Where& where, Leased& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("lease", out.lease);
    fields.required("path", out.path);
    fields.required("bytes", out.bytes);
    fields.required("generation", out.generation);
}

inline void read(Reading& in, const Object& map, const Where& where, Cancelled& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("cancelled", out.cancelled);
}

inline void read(Reading& in, const Object& map, const Where& where, Pong& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("node", out.node);
    fields.required("version", out.version);
    fields.required("uptime_s", out.uptime_s);
    fields.required("endpoints", out.endpoints);
    fields.required("publish_endpoints", out.publish_endpoints);
}

inline void read(Reading& in, const Object& map, const Where& where, Model& out) {
    const Fields fields(in, map, where);
    fields.required("name", out.name);
    fields.required("title", out.title);
    fields.required("prompts", out.prompts);
    fields.required("encodings", out.encodings);
    fields.required("licence", out.licence);
    fields.required("weights", out.weights);
    fields.required("ready", out.ready);
    fields.optional("missing", out.missing);
    fields.optional("multimask", out.multimask);
    fields.optional("everything", out.everything);
    fields.optional("tracks", out.tracks);
    fields.optional("device", out.device);
    fields.optional("default", out.is_default);
    fields.optional("default_for_text", out.default_for_text);
}

inline void read(Reading& in, const Object& map, const Where& where, RouteInfo& out) {
    const Fields fields(in, map, where);
    fields.required("name", out.name);
    fields.required("models", out.models);
    fields.required("min_predicted_iou", out.min_predicted_iou);
    fields.optional("share", out.share);
}

inline void read(Reading& in, const Object& map, const Where& where, Models& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("models", out.models);
    fields.required("image_encodings", out.image_encodings);
    fields.required("limits", out.limits);
    fields.optional("routes", out.routes);
}

inline void read(Reading& in, const Object& map, const Where& where, ModelStatistics& out) {
    const Fields fields(in, map, where);
    fields.required("name", out.name);
    fields.optional("queued", out.queued);
    fields.optional("running", out.running);
    fields.optional("answered", out.answered);
    fields.optional("errors", out.errors);
    fields.optional("rate", out.rate);
    fields.optional("p50_ms", out.p50_ms);
    fields.optional("p99_ms", out.p99_ms);
    fields.optional("left_out_s", out.left_out_s);
}

inline void read(Reading& in, const Object& map, const Where& where, CacheStatistics& out) {
    const Fields fields(in, map, where);
    fields.required("store", out.store);
    fields.optional("hits", out.hits);
    fields.optional("misses", out.misses);
    fields.optional("stored", out.stored);
    fields.optional("evictions", out.evictions);
    fields.optional("errors", out.errors);
    fields.optional("entries", out.entries);
    fields.optional("bytes", out.bytes);
}

inline void read(Reading& in, const Object& map, const Where& where, WorkerStatistics& out) {
    const Fields fields(in, map, where);
    fields.required("model", out.model);
    fields.required("device", out.device);
    fields.required("state", out.state);
    fields.optional("pid", out.pid);
    fields.optional("restarts", out.restarts);
    fields.optional("rss_bytes", out.rss_bytes);
    fields.optional("cache_bytes", out.cache_bytes);
    fields.optional("cache_entries", out.cache_entries);
    fields.optional("cache_hits", out.cache_hits);
    fields.optional("cache_misses", out.cache_misses);
    fields.optional("cache_evictions", out.cache_evictions);
    fields.optional("last_error", out.last_error);
}

inline void read(Reading& in, const Object& map, const Where& where, TopicStatistics& out) {
    const Fields fields(in, map, where);
    fields.required("topic", out.topic);
    fields.optional("published", out.published);
}

inline void read(Reading& in, const Object& map, const Where& where, Statistics& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("node", out.node);
    fields.required("version", out.version);
    fields.required("uptime_s", out.uptime_s);
    fields.required("models", out.models);
    fields.required("workers", out.workers);
    fields.optional("topics", out.topics);
    fields.optional("images", out.images);
    fields.optional("shm_bytes", out.shm_bytes);
    fields.optional("shm_used_bytes", out.shm_used_bytes);
    fields.optional("leases", out.leases);
    fields.optional("leased_bytes", out.leased_bytes);
    fields.optional("rss_bytes", out.rss_bytes);
    fields.optional("received", out.received);
    fields.optional("rejected", out.rejected);
    fields.optional("unanswerable", out.unanswerable);
    fields.optional("cache", out.cache);
}

}  // namespace maskbus::detail
