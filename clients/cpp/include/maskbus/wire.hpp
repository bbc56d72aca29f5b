#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/detail/opened.hpp"
#include "maskbus/everything.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/message.hpp"
#include "maskbus/options.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/replies.hpp"
#include "maskbus/result.hpp"
#include "maskbus/segmentation.hpp"
#include "maskbus/slot.hpp"
#include "maskbus/stream_options.hpp"
#include "maskbus/stream_replies.hpp"

/// The wire's messages, written and read: no socket anywhere. SPEC.md says what they mean.
namespace maskbus::wire {

// Requests. `id` stands on the reply; empty only for a REQ socket. What the node would refuse for a reason that can
// be known here (SPEC.md, sections 8, 9 and 13) is refused with the wire's code and path: `invalid_field`,
// `invalid_value`, `too_large`, `invalid_image`, `unknown_encoding`.

/// Ask for the masks that `prompt` points at.
///
/// `options.deadline` and `options.id` are the client's and not looked at: `deadline_ms` (left out: the node's own) and
/// `id` go out. `result` is a slot of shared memory for the bytes of the masks. Raw pixels, and the bytes of a mask and
/// of logits, become attachments that borrow: they must stay as they are until the message is sent.
[[nodiscard]] inline Result<Message> segment(const Image& image, const Prompt& prompt, const SegmentOptions& options,
                                             std::string_view id,
                                             std::optional<std::int64_t> deadline_ms = std::nullopt,
                                             const Slot* result = nullptr);
/// Ask for all objects of an image. As `segment`. `progress` replies are asked for where `options.progress` is there;
/// it is not called.
[[nodiscard]] inline Result<Message> everything(const Image& image, const EverythingOptions& options,
                                                std::string_view id,
                                                std::optional<std::int64_t> deadline_ms = std::nullopt);
/// Have an image kept. As `segment`.
[[nodiscard]] inline Result<Message> embed(const Image& image, const EmbedOptions& options, std::string_view id,
                                           std::optional<std::int64_t> deadline_ms = std::nullopt);
/// Let go of a kept image.
[[nodiscard]] inline Result<Message> release(std::string_view image_id, std::string_view id);
/// Take back the request `target`, which must not be empty.
[[nodiscard]] inline Result<Message> cancel(std::string_view target, std::string_view id);
[[nodiscard]] inline Result<Message> ping(std::string_view id);
[[nodiscard]] inline Result<Message> describe(std::string_view id);
[[nodiscard]] inline Result<Message> stats(std::string_view id);
/// Ask for shared memory of 1 to 64 slots.
[[nodiscard]] inline Result<Message> lease(std::int64_t slots, std::int64_t slot_bytes, std::string_view id);
/// Give leased shared memory back.
[[nodiscard]] inline Result<Message> give_back(std::string_view lease, std::string_view id);

/// Begin a stream, or begin one of this name anew. `options.deadline` is the client's and not looked at. What a mask
/// of an object borrows must stay as it is until the message is sent.
[[nodiscard]] inline Result<Message> stream_open(std::string_view stream, const StreamOptions& options,
                                                 std::string_view id);
/// Hand in the next frame of a stream; answered where it is wrong, or `ack` is set. `frame.timeout` is not looked at.
[[nodiscard]] inline Result<Message> stream_frame(std::string_view stream, const Image& image,
                                                  const FrameOptions& frame, std::string_view id = {},
                                                  bool ack = false);
/// Change a stream while it runs. As `stream_open`.
[[nodiscard]] inline Result<Message> stream_update(std::string_view stream, const StreamUpdate& update,
                                                   std::string_view id);
/// End a stream.
[[nodiscard]] inline Result<Message> stream_close(std::string_view stream, std::string_view id);
/// Ask which streams there are.
[[nodiscard]] inline Result<Message> stream_list(std::string_view id);

// Replies.

/// A reply, or a published message, whose header could be read. Movable; keeps its frames in memory.
/// `id()` and `reply()` are empty where they are missing or no text, so that a broken reply still finds its request.
using Opened = detail::Opened;

/// Read a header; its fields are looked at by the functions below.
///
/// `header` and `attachments` are the frames after the delimiter, or after the topic. They own their memory, or the
/// caller keeps it as long as anything made of them is in use. Error: `protocol`.
[[nodiscard]] inline Result<Opened> open(Bytes header, std::vector<Bytes> attachments,
                                         const Limits& limits = reply_limits);

// Each returns the node's own error for an `error` reply, and `protocol` for what the wire does not allow: another
// version, another reply than is due, a field that is missing or impossible, announced sizes that are not real.

/// `shared` is the slot of shared memory that was given as `result`, for blobs that are in it.
[[nodiscard]] inline Result<Segmentation> segmentation(const Opened& opened, const Bytes& shared = {});
/// The answer to `everything`.
[[nodiscard]] inline Result<Segmentation> found(const Opened& opened);
/// How far a request for everything is; its answer comes later.
[[nodiscard]] inline Result<Progress> progress(const Opened& opened);
[[nodiscard]] inline Result<Embedded> embedded(const Opened& opened);
[[nodiscard]] inline Result<Released> released(const Opened& opened);
[[nodiscard]] inline Result<Cancelled> cancelled(const Opened& opened);
[[nodiscard]] inline Result<Pong> pong(const Opened& opened);
[[nodiscard]] inline Result<Models> models(const Opened& opened);
[[nodiscard]] inline Result<Statistics> statistics(const Opened& opened);
[[nodiscard]] inline Result<Leased> leased(const Opened& opened);
[[nodiscard]] inline Result<Returned> returned(const Opened& opened);
[[nodiscard]] inline Result<StreamOpened> stream_opened(const Opened& opened);
[[nodiscard]] inline Result<StreamFrameTaken> stream_frame_taken(const Opened& opened);
/// What comes unasked, to who has sent a frame.
[[nodiscard]] inline Result<StreamCredit> stream_credit(const Opened& opened);
[[nodiscard]] inline Result<StreamUpdated> stream_updated(const Opened& opened);
[[nodiscard]] inline Result<StreamClosed> stream_closed(const Opened& opened);
[[nodiscard]] inline Result<Streams> streams(const Opened& opened);
/// What is published under a stream's `frames_topic`.
[[nodiscard]] inline Result<PublishedFrame> published_frame(const Opened& opened);
/// The fields of an `error` reply.
[[nodiscard]] inline Result<ErrorReply> error_reply(const Opened& opened);

}  // namespace maskbus::wire

#include "maskbus/detail/decode_replies.hpp"
#include "maskbus/detail/encode_everything.hpp"
#include "maskbus/detail/encode_requests.hpp"
#include "maskbus/detail/encode_streams.hpp"
#include "maskbus/detail/read_progress.hpp"
