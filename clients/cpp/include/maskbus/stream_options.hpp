#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "maskbus/options.hpp"
#include "maskbus/prompt.hpp"

namespace maskbus {

/// Which frames of a stream are looked at where more come than the model manages.
enum class StreamPolicy {
    newest,  ///< The newest one; for cameras.
    every,   ///< All; the sender waits. For files and measurements.
    sample,  ///< The newest one, and at most `max_fps` a second; for many cameras.
};

/// What a frame's age counts from.
enum class AgeFrom {
    receipt,  ///< When the node got it.
    stamp,    ///< Its `stamp`, if the two machines' clocks agree.
};

/// An object to follow from frame to frame, or one that is followed and to be corrected.
struct TrackedObject {
    /// 0 to 2^31 - 1; stands on the object's masks.
    std::int64_t object_id = 0;
    /// Points and at most one box, or a mask. Points at one frame add up; a box or mask takes the place of the last.
    Prompt prompt = {};
};

/// How to open a stream. An aggregate: C++20 may name the fields.
struct StreamOptions {
    /// Name of the model, or of one of the node's routes, of which the stream takes the first model that is ready;
    /// empty: the node's default.
    std::string model = {};
    /// What to segment in each frame; without mask and logits.
    Prompt prompt = {};
    /// Whether several hypotheses for one prompt are wanted.
    bool multimask = false;
    /// Whether objects are followed from frame to frame, instead of each frame being segmented by itself. With
    /// `objects` they are.
    bool track = false;
    /// Objects to follow, prompted as they are in the first frame.
    std::vector<TrackedObject> objects = {};
    /// How the masks are published; a subscriber may choose otherwise for itself.
    std::vector<MaskEncoding> encodings = {MaskEncoding::rle};
    StreamPolicy policy = StreamPolicy::newest;
    /// With `sample`, and only there: frames a second that are looked at, at most.
    std::optional<double> max_fps = std::nullopt;
    /// With `every`: frames that may be with the node at a time, 1 to 64.
    std::int64_t max_waiting = 8;
    /// A frame that is older when its turn comes is dropped; left out: none is too old.
    std::optional<std::chrono::milliseconds> max_age = std::nullopt;
    AgeFrom age_from = AgeFrom::receipt;
    /// How long the model may take for one frame; left out: the node's own.
    std::optional<std::chrono::milliseconds> frame_deadline = std::nullopt;
    /// Whether frames are looked at even when nobody subscribes to the results.
    bool always = false;
    /// How long no frame may come until the stream is closed; left out, or more than the node's own: that.
    std::optional<std::chrono::milliseconds> idle = std::nullopt;
    /// The model's own options; it ignores what it does not know.
    std::map<std::string, OptionValue> options = {};
    /// How long the node is waited for; 0: the client's. So long is waited for credit, too, where a frame names no
    /// time.
    std::chrono::milliseconds deadline{0};
    /// As in `SegmentOptions`. Not for a stream that tracks.
    std::int64_t max_side = 0;
    /// As in `SegmentOptions`. For a stream that tracks without `min_area`.
    std::optional<PostProcessing> post = std::nullopt;
    /// How masks are chosen by text.
    std::optional<TextOptions> text_options = std::nullopt;
};

/// How to change a stream while it runs: what is left out stays as it is.
struct StreamUpdate {
    /// What to segment in each frame from now on; not for a stream that tracks.
    std::optional<Prompt> prompt = std::nullopt;
    /// Objects to follow as well, or to correct, prompted as they are in the frame that was looked at last.
    std::vector<TrackedObject> objects = {};
    /// Objects to follow no longer.
    std::vector<std::int64_t> remove = {};
    std::optional<std::vector<MaskEncoding>> encodings = std::nullopt;
    std::optional<double> max_fps = std::nullopt;
    /// 0: none is too old.
    std::optional<std::chrono::milliseconds> max_age = std::nullopt;
    std::optional<bool> always = std::nullopt;
    std::optional<std::map<std::string, OptionValue>> options = std::nullopt;
    /// How long the answer is waited for; 0: the client's.
    std::chrono::milliseconds deadline{0};
};

/// What goes with a frame.
struct FrameOptions {
    /// Time of the frame, nanoseconds since the epoch; left out: now.
    std::optional<std::int64_t> stamp = std::nullopt;
    /// Coordinate frame of the camera, as in ROS.
    std::optional<std::string> frame_id = std::nullopt;
    /// Number of the frame; left out: how many the stream was given before it, those that it dropped included.
    std::optional<std::int64_t> seq = std::nullopt;
    /// With `every`: how long credit is waited for; left out: as the stream's options say. 0: not at all.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
};

}  // namespace maskbus
