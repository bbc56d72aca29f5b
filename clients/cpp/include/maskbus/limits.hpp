#pragma once

#include <cstddef>
#include <cstdint>

namespace maskbus {

/// Caps that are looked at before anything is allocated or decoded. The defaults are those of SPEC.md, section 13.
struct Limits {
    /// Bytes of one frame.
    std::size_t frame_bytes = 128 * 1024 * 1024;
    /// Attachments in one message.
    std::size_t attachments = 64;
    /// Values in a header: the map itself, each key, element and nested container.
    std::size_t header_objects = 50'000;
    /// Maps and arrays inside one another in a header; the header itself is the first.
    std::size_t header_depth = 12;
    /// Bytes of a request without image, mask data and logits.
    std::size_t control_bytes = 256 * 1024;
    /// Pixels of one image, or of one mask.
    std::uint64_t pixels = 64'000'000;
    /// Pixels of one side of an image.
    std::uint32_t side = 32'767;
    std::size_t points = 1'000;
    std::size_t boxes = 256;
    /// Texts in one prompt; as many negative ones.
    std::size_t texts = 64;
    /// Characters of one text.
    std::size_t text_chars = 1'000;
    /// Points of everything mode, all layers of crops together.
    std::int64_t grid_points = 262'144;
    /// Characters of an id, a name, a topic, a frame_id, a stream.
    std::size_t name_chars = 256;
    /// The longest deadline.
    std::int64_t deadline_ms = 3'600'000;
};

/// What a node takes unless it says otherwise; requests are checked against it before they are sent.
inline constexpr Limits request_limits{};

/// What the client is willing to look at. It trusts its node further than a node trusts its clients: hundreds of masks
/// are hundreds of attachments, and their polygons are many numbers. Frames stay capped.
inline constexpr Limits reply_limits = [] {
    Limits limits;
    limits.attachments = 65'536;
    limits.header_objects = 4'000'000;
    return limits;
}();

}  // namespace maskbus
