#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "maskbus/post_processing.hpp"
#include "maskbus/route.hpp"
#include "maskbus/text_options.hpp"

namespace maskbus {

/// Which of the node's queues: interactive goes before stream, stream before batch.
enum class Lane { interactive, stream, batch };

/// How a mask is written; SPEC.md, section 11, has each byte.
enum class MaskEncoding { rle, bits, bits_zlib, png, png_base64, polygon, raw, labels, logits, overlay };

/// Where the settings of everything mode come from; SPEC.md, section 19, has the values.
enum class Preset {
    standard,  ///< "default": what the authors of the model use.
    dense,     ///< Finds small objects, and does not cut large ones to pieces.
    fast,      ///< For pictures with few objects.
};

/// Value of one of a model's own options.
using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

/// How to segment. An aggregate: C++20 may name the fields, `{.multimask = true}`.
struct SegmentOptions {
    /// How the masks come back, each once; empty: boxes, areas and scores only.
    std::vector<MaskEncoding> encodings = {MaskEncoding::bits};
    /// Name of the model, or of one of the node's routes, such as "auto"; empty: the node's default.
    std::string model = {};
    /// Whether several hypotheses for one prompt are wanted, the best first.
    bool multimask = false;
    /// Whether the node keeps the image and answers an `image_id`.
    bool keep = false;
    Lane lane = Lane::interactive;
    /// Until the answer is worth nothing, all tries together; 0: the client's.
    std::chrono::milliseconds deadline{0};
    /// Time of the image in nanoseconds since the epoch; this and the next three go through untouched.
    std::optional<std::int64_t> stamp = std::nullopt;
    /// Coordinate frame of the image, as in ROS.
    std::optional<std::string> frame_id = std::nullopt;
    /// Name of the stream the image is from.
    std::optional<std::string> stream = std::nullopt;
    /// Number of the image in its stream.
    std::optional<std::int64_t> seq = std::nullopt;
    /// Topic the masks are published under as well; at least one character, no ":".
    std::optional<std::string> publish = std::nullopt;
    /// The model's own options; it ignores what it does not know.
    std::map<std::string, OptionValue> options = {};
    /// Id of the request, to cancel it from elsewhere; empty: a random one.
    std::string id = {};
    /// Models to try one after the other until one answers well enough; with names in it, `model` is empty.
    std::optional<Route> route = std::nullopt;
    /// Whether the answer must be computed, though the node may have the same one already.
    bool fresh = false;
    /// The model is shown the image with its longer side at most this long, 64 to 32767; 0: as it is. Prompts and masks
    /// are in pixels of the image as sent all the same.
    std::int64_t max_side = 0;
    /// What is done to the masks; left out: what the node's configuration says of the model.
    std::optional<PostProcessing> post = std::nullopt;
    /// How masks are chosen where the prompt has `text`, and only there.
    std::optional<TextOptions> text_options = std::nullopt;
};

/// How to have an image kept. Fields as in `SegmentOptions`.
struct EmbedOptions {
    std::string model = {};
    Lane lane = Lane::interactive;
    std::chrono::milliseconds deadline{0};
    std::optional<std::int64_t> stamp = std::nullopt;
    std::optional<std::string> frame_id = std::nullopt;
    std::optional<std::string> stream = std::nullopt;
    std::optional<std::int64_t> seq = std::nullopt;
    std::string id = {};
    std::optional<Route> route = std::nullopt;
};

/// How to make any other call.
struct CallOptions {
    /// How long an answer is waited for; 0: the client's.
    std::chrono::milliseconds deadline{0};
};

}  // namespace maskbus
