#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/error.hpp"
#include "maskbus/route.hpp"

namespace maskbus {

/// Where the time went, in milliseconds; what a node does not measure is 0.
struct Timings {
    /// From the node's receipt to the worker's start.
    double queued_ms = 0;
    /// Taking the pixels out of jpeg, png or webp.
    double decode_image_ms = 0;
    /// The image stage; 0 where the embedding was there already.
    double embed_ms = 0;
    /// The prompt stage.
    double decode_ms = 0;
    /// Writing the masks in the encodings asked for.
    double encode_ms = 0;
    /// From the node's receipt until the worker sent the reply off.
    double total_ms = 0;
};

/// A request failed; most callers see the `Error` made of it.
struct ErrorReply {
    std::string id;
    std::string code;
    std::string message;
    std::string path;
    /// With `busy`: how many requests wait.
    std::optional<std::int64_t> queue_length;
    /// With `unsupported_version`: those that are spoken.
    std::optional<std::vector<std::string>> versions;
    /// This and the next three as the request had them.
    std::optional<std::int64_t> stamp;
    std::optional<std::string> frame_id;
    std::optional<std::string> stream;
    std::optional<std::int64_t> seq;
    /// Where a route was asked: each of its models, and why it has not answered.
    std::vector<Attempt> tried;

    [[nodiscard]] Error to_error() const {
        return {code, message, path, queue_length, tried};
    }
};

/// The image is kept and its embedding is there.
struct Embedded {
    std::string id;
    /// Name of the model that answered.
    std::string model;
    /// Pixels of the image.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    /// Reference to the image.
    std::optional<std::string> image_id;
    /// Whether the embedding was there already.
    bool cached = false;
    Timings timings;
    /// This and the next three as the request had them.
    std::optional<std::int64_t> stamp;
    std::optional<std::string> frame_id;
    std::optional<std::string> stream;
    std::optional<std::int64_t> seq;
    /// What was done otherwise than asked, a sentence each, for a person.
    std::vector<std::string> notes;
    /// What the embedding holds in the worker's cache.
    std::int64_t embedding_bytes = 0;
    /// Where a route was asked: the models that were to answer before this one, and why they have not.
    std::vector<Attempt> tried;
    /// Whether the node had this answer already; of `timings` only `total_ms` is set then.
    bool reused = false;
};

/// The image has been let go.
struct Released {
    std::string id;
};

/// The shared memory is there.
struct Leased {
    std::string id;
    /// Name of the lease, unguessable.
    std::string lease;
    /// Absolute path of the file.
    std::string path;
    /// Its size.
    std::int64_t bytes = 0;
    /// The file's generation, as its header says.
    std::int64_t generation = 0;
};

/// The shared memory has been taken back.
struct Returned {
    std::string id;
};

/// How many requests were cancelled; each of them is answered with the error `cancelled`.
struct Cancelled {
    std::string id;
    /// 0 where nothing of that id was waiting or running.
    std::int64_t cancelled = 0;
};

/// The node is there.
struct Pong {
    std::string id;
    /// Random name of this run of the node: another one means that it was restarted.
    std::string node;
    /// Version of the node's software.
    std::string version;
    /// Seconds since it started.
    double uptime_s = 0;
    /// Where requests can be sent.
    std::vector<std::string> endpoints;
    /// Where topics can be subscribed to.
    std::vector<std::string> publish_endpoints;
};

/// One model the node offers.
struct Model {
    /// What `model` in a request calls it.
    std::string name;
    /// One line for a person.
    std::string title;
    /// Kinds of prompt it takes: points, boxes, mask, logits, text, none.
    std::vector<std::string> prompts;
    /// Encodings its masks can come in, by the wire's names.
    std::vector<std::string> encodings;
    /// SPDX expression of the code and weights it runs with.
    std::string licence;
    /// "none needed", "present", "missing", "unverified", or what a later node says.
    std::string weights;
    /// Whether it can run here.
    bool ready = false;
    /// What it still needs, one sentence; empty when ready.
    std::string missing;
    /// Whether it can offer several hypotheses.
    bool multimask = false;
    /// Whether it can find everything.
    bool everything = false;
    /// Whether it can follow objects through a video.
    bool tracks = false;
    /// Where it runs.
    std::string device = "cpu";
    /// Whether it answers requests that name no model.
    bool is_default = false;
    /// Whether it answers requests that name no model and have a text.
    bool default_for_text = false;
};

/// What the node offers.
struct Models {
    std::string id;
    std::vector<Model> models;
    /// Encodings an image may come in, by the wire's names.
    std::vector<std::string> image_encodings;
    /// The node's limits, named as in SPEC.md.
    std::map<std::string, std::int64_t> limits;
    std::vector<RouteInfo> routes;
};

/// How one model is doing.
struct ModelStatistics {
    std::string name;
    /// Requests that wait, by lane.
    std::map<std::string, std::int64_t> queued;
    /// Requests a worker has.
    std::int64_t running = 0;
    /// Requests answered with a result since the start.
    std::int64_t answered = 0;
    /// Requests answered with an error since the start, by code.
    std::map<std::string, std::int64_t> errors;
    /// Answers a second over the last ten seconds.
    double rate = 0;
    /// Median of `total_ms` over the last 512 answers.
    double p50_ms = 0;
    /// 99th percentile of the same.
    double p99_ms = 0;
    /// Seconds for which routes still leave it out, because it has failed too often; 0: they do not.
    double left_out_s = 0;
};

/// How the cache of answers is doing.
struct CacheStatistics {
    /// Where answers are kept: none, memory or redis, or what a later node says.
    std::string store;
    /// Requests that were answered from it.
    std::int64_t hits = 0;
    /// Requests whose answer was not there.
    std::int64_t misses = 0;
    /// Answers that were put there.
    std::int64_t stored = 0;
    /// Answers that went for want of room or because of their age; with redis: 0.
    std::int64_t evictions = 0;
    /// How often the store could not be asked, or not in time.
    std::int64_t errors = 0;
    /// Answers that are there; with redis: 0.
    std::int64_t entries = 0;
    /// What they take; with redis: what this node has put there since its start.
    std::int64_t bytes = 0;
};

/// How one worker is doing.
struct WorkerStatistics {
    /// What it runs.
    std::string model;
    /// Where.
    std::string device;
    /// starting, ready, busy, backing-off or stopped, or what a later node says.
    std::string state;
    /// Its process; 0 when there is none.
    std::int64_t pid = 0;
    /// How often it has been started again.
    std::int64_t restarts = 0;
    /// Its resident memory, by its own last heartbeat.
    std::int64_t rss_bytes = 0;
    /// What its cache of embeddings holds.
    std::int64_t cache_bytes = 0;
    std::int64_t cache_entries = 0;
    /// Prompts whose embedding was there.
    std::int64_t cache_hits = 0;
    /// Prompts whose embedding had to be computed.
    std::int64_t cache_misses = 0;
    /// Embeddings dropped for want of room or because of their age.
    std::int64_t cache_evictions = 0;
    /// Why it ended last, one sentence.
    std::string last_error;
};

/// How one topic is doing.
struct TopicStatistics {
    /// The topic, with its encoding prefix where a subscriber chose one.
    std::string topic;
    /// Messages sent.
    std::int64_t published = 0;
};

/// How the node is doing.
struct Statistics {
    std::string id;
    /// This and the next two as in `Pong`.
    std::string node;
    std::string version;
    double uptime_s = 0;
    /// One entry a model that has been asked for.
    std::vector<ModelStatistics> models;
    std::vector<WorkerStatistics> workers;
    /// One entry a topic that has been published.
    std::vector<TopicStatistics> topics;
    /// Images kept.
    std::int64_t images = 0;
    /// Shared memory reserved for images, and what of it is in use now.
    std::int64_t shm_bytes = 0;
    std::int64_t shm_used_bytes = 0;
    /// Files of shared memory that clients hold, and their bytes.
    std::int64_t leases = 0;
    std::int64_t leased_bytes = 0;
    /// Resident memory of the node's own process.
    std::int64_t rss_bytes = 0;
    /// Messages received.
    std::int64_t received = 0;
    /// Messages that were answered with an error at once, `busy` among them.
    std::int64_t rejected = 0;
    /// Replies that could not be delivered: the peer was gone or did not read.
    std::int64_t unanswerable = 0;
    /// The cache of answers.
    std::optional<CacheStatistics> cache;
};

/// How one text of a prompt has fared.
struct TextScore {
    std::string text;
    /// How many masks answer to it, before they are combined.
    std::int64_t masks = 0;
    /// How many masks were looked at.
    std::int64_t proposals = 0;
    /// The best similarity of any of them, chosen or not; left out where nothing was looked at.
    std::optional<double> similarity;
    /// The best probability of any of them.
    std::optional<double> probability;
};

}  // namespace maskbus
