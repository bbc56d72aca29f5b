#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "maskbus/everything.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/options.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/replies.hpp"
#include "maskbus/result.hpp"
#include "maskbus/segmentation.hpp"
#include "maskbus/shm/process.hpp"
#include "maskbus/wire.hpp"

namespace maskbus {

/// How to start a node as a child. An aggregate.
struct ChildOptions {
    /// The program and its first arguments; it is looked for as a shell would.
    std::vector<std::string> command = {"maskbus", "child"};
    /// The model to offer; empty: every one that is installed.
    std::string model = {};
    /// Bytes that a request and its reply have, half each.
    std::uint64_t mapping_bytes = 32U << 20U;
    /// Until the child must be ready.
    std::chrono::milliseconds start_timeout{60'000};
    /// Of calls that name none; left out: 30 seconds, and ten minutes for `everything`.
    std::optional<std::chrono::milliseconds> deadline = std::nullopt;
    /// Further flags of `maskbus child`.
    std::vector<std::string> arguments = {};
    /// Name of a pair of named events that are the bell (Windows); empty: a socket.
    std::string events = {};
    /// Whether each message has a checksum on its way through memory, both ways.
    bool checksum = false;
};

/// A node as a child process of this program, reached through one mapping (SPEC.md, section 18). No port is open.
///
/// The child ends with this object, and with this program, however that ends. Move-only. Any number of threads may
/// share one; one request is under way at a time, and the time that a call waits for its turn counts.
///
/// Every call ends by its deadline. Errors: those of the node; `deadline_exceeded`; `child_died` as soon as the child
/// has ended; `too_large` where a request or its reply does not fit into the mapping; `protocol`.
class Child {
public:
    /// Start a child and wait until it is ready. Errors: `child_died`, `invalid_argument`, `protocol`,
    /// `no_shared_memory`.
    [[nodiscard]] static Result<Child> start(ChildOptions options = {});

    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    /// Ends the child: by closing its standard input, and after five seconds by force.
    ~Child();

    /// Ask for the masks that `prompt` points at. The image is read until this returns, and copied once: into the
    /// mapping.
    [[nodiscard]] Result<Segmentation> segment(const ImageView& image, const Prompt& prompt = {},
                                               const SegmentOptions& options = {});

    /// The same for an image that the child keeps, by the `image_id` of an earlier reply (`options.keep`, or `embed`).
    /// Errors `image_expired`, `unknown_image`: it is not kept any more, as after a restart.
    [[nodiscard]] Result<Segmentation> segment(const wire::HeldImage& image, const Prompt& prompt,
                                               const SegmentOptions& options = {});

    /// The same for a JPEG, PNG or WebP file as Base64 text, plain or as a data-URL. Errors as well: `invalid_field`
    /// with path `image.base64` for what is no Base64, `invalid_image` for what is no such file.
    [[nodiscard]] Result<Segmentation> segment_base64(std::string_view text, const Prompt& prompt = {},
                                                      const SegmentOptions& options = {});

    /// Ask for all objects of an image. A child tells no progress: `invalid_argument` where `options.progress` is
    /// there.
    [[nodiscard]] Result<Segmentation> everything(const ImageView& image, const EverythingOptions& options = {});

    /// Have the image kept and its embedding computed: later prompts send no pixels.
    [[nodiscard]] Result<Embedded> embed(const ImageView& image, const EmbedOptions& options = {});

    /// Let go of a kept image.
    [[nodiscard]] Result<Released> release(std::string_view image_id, CallOptions options = {});

    [[nodiscard]] Result<Pong> ping(CallOptions options = {});
    [[nodiscard]] Result<Models> describe(CallOptions options = {});
    [[nodiscard]] Result<Statistics> stats(CallOptions options = {});

    /// End the child, if it still lives, and start another one with the same options. Errors as `start`.
    [[nodiscard]] Result<void> restart();

    /// Whether the child has not ended, as far as is known: while a call is under way in another thread, true.
    [[nodiscard]] bool is_alive() const;
    /// Number of its process; 0 where it did not come up. Never waits.
    [[nodiscard]] std::int64_t pid() const;

private:
    class Core;

    explicit Child(std::unique_ptr<Core> core) noexcept;

    std::unique_ptr<Core> core_;
};

}  // namespace maskbus
