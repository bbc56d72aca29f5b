#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/image_view.hpp"

namespace maskbus {

/// What became of a stream's frames. What was received is answered, dropped, or still with the node.
struct StreamCounts {
    /// Frames that the node got.
    std::int64_t received = 0;
    /// Frames whose masks were published.
    std::int64_t answered = 0;
    /// Frames that were not, by cause (SPEC.md, section 20); a later node may name others.
    std::map<std::string, std::int64_t> dropped;
};

/// The stream is there.
struct StreamOpened {
    std::string id;
    /// Its name.
    std::string stream;
    /// Name of the model.
    std::string model;
    /// Topic of its results, and of its frames.
    std::string topic;
    std::string frames_topic;
    /// Whether there was a stream of this name, which this one has taken the place of.
    bool resumed = false;
    /// With `every`: so many frames may be sent from now on.
    std::optional<std::int64_t> limit;
};

/// The node has a frame.
struct StreamFrameTaken {
    std::string id;
    std::string stream;
    /// As the request had it.
    std::optional<std::int64_t> seq;
    /// As in `StreamCredit`.
    std::optional<std::int64_t> limit;
};

/// A producer may send more. No answer to a request: it comes when frames are done with.
struct StreamCredit {
    std::string id;
    std::string stream;
    /// So many frames may have been sent, all in all since the stream was opened.
    std::int64_t limit = 0;
};

/// The stream has been changed.
struct StreamUpdated {
    std::string id;
    std::string stream;
    /// With objects: number of the frame they were prompted at; left out: that will be the next, or it had none.
    std::optional<std::int64_t> seq;
};

/// The stream has ended.
struct StreamClosed {
    std::string id;
    std::string stream;
    StreamCounts counts;
};

/// How one stream is doing.
struct StreamInfo {
    /// Its name.
    std::string stream;
    /// Name of the model.
    std::string model;
    /// Topic of its results.
    std::string topic;
    /// newest, every, sample, or what a later node says.
    std::string policy;
    /// Whether objects are followed, and those that were in the last result.
    bool track = false;
    std::vector<std::int64_t> object_ids;
    /// Pixels of its last frame; 0 before the first.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    StreamCounts counts;
    /// Frames that wait or are being looked at.
    std::int64_t under_way = 0;
    /// Whether anybody subscribes to its results.
    bool watched = false;
    /// Frames received, and results published, a second, over the last five seconds.
    double rate_in = 0;
    double rate_out = 0;
    /// Median of the time from a frame's receipt to its result, milliseconds, over the last 256 results.
    double p50_ms = 0;
    /// 99th percentile of the same.
    double p99_ms = 0;
    /// Seconds since its last frame.
    double idle_s = 0;
    /// Why a frame failed last, one sentence.
    std::string last_error;
};

/// The streams that are open, in the order of their names.
struct Streams {
    std::string id;
    std::vector<StreamInfo> streams;
};

/// A frame of a stream, as the node received it, for those who subscribe to it.
struct PublishedFrame {
    std::string id;
    std::string stream;
    /// Topic it came under.
    std::string topic;
    /// Raw pixels, or a whole file; keeps its frame of the message in memory.
    Bytes data;
    ImageEncoding encoding = ImageEncoding::mono8;
    /// Pixels; 0 where the file alone knows them.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    /// Raw pixels: bytes from the start of a row to that of the next; 0: rows are packed.
    std::size_t step = 0;
    /// This and the next two as the producer had them.
    std::optional<std::int64_t> stamp;
    std::optional<std::string> frame_id;
    std::optional<std::int64_t> seq;

    /// View the image, as long as this or a copy of `data` lives.
    [[nodiscard]] ImageView view() const noexcept {
        return {data.data(), data.size(), width, height, step, encoding};
    }
};

}  // namespace maskbus
