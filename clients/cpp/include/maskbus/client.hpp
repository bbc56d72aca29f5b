#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "maskbus/client_options.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/everything.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/kept_image.hpp"
#include "maskbus/options.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/replies.hpp"
#include "maskbus/result.hpp"
#include "maskbus/segmentation.hpp"
#include "maskbus/stream.hpp"
#include "maskbus/stream_options.hpp"
#include "maskbus/stream_replies.hpp"
#include "maskbus/subscription.hpp"

namespace maskbus {

namespace detail {
struct ClientCore;
}

/// Talks to a node. Move-only.
///
/// Any number of threads may share one client: each call that blocks runs on its caller's thread, over a connection
/// that is its own while it lasts (idle ones are kept for the next call), so calls neither wait for nor see one
/// another.
///
/// No call can hang: each ends at its deadline at the latest. Until then a request is sent again after a lost reply, a
/// restart of the node, or a code that is `retryable`; see `ClientOptions`.
///
/// Nothing throws but for lack of memory, and what the caller's own functions throw. Errors of every call: those the
/// node answers with (`codes`); `invalid_argument`, `invalid_field`, `invalid_value`, `too_large`, `invalid_image` and
/// `unknown_encoding` for what cannot be right, before anything is sent; `unreachable` if nobody answers at all;
/// `deadline_exceeded`; `protocol` if the answer is not what the wire allows; `closed` if the client was closed before
/// or during the call, or has been moved elsewhere.
///
/// A client must not be used across fork(): ZeroMQ has threads, which the child does not get.
class Client {
public:
    /// Make a client. Connects to nothing yet and never blocks: only the options are checked. Error
    /// `invalid_argument` for an endpoint, a deadline or keys that cannot be one.
    [[nodiscard]] static Result<Client> connect(ClientOptions options = {});

    Client(Client&& other) noexcept = default;
    Client& operator=(Client&& other) noexcept {
        if (this != &other) {
            close();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    /// Closes the client.
    ~Client() {
        close();
    }

    /// Where requests go; empty once moved elsewhere.
    [[nodiscard]] std::string endpoint() const {
        return core_ == nullptr ? std::string() : core_->peer().endpoint;
    }

    /// Ask for the masks that a prompt points at; without one: everything, or what the model makes of it.
    ///
    /// The image's memory is sent as it lies, without a copy where it can be. It must not change until this returns,
    /// and is the caller's alone again then, also after an error: where a connection is given up in the middle of
    /// sending, this waits until ZeroMQ has let go of the memory. That takes microseconds, unless ZeroMQ's thread is
    /// busy having the system look a host name up because the connection has just been lost: the call may then be
    /// late by that. The same holds for the bytes of `prompt.mask` and `prompt.logits` that have no owner.
    [[nodiscard]] Result<Segmentation> segment(const ImageView& image, const Prompt& prompt = {},
                                               const SegmentOptions& options = {});

    /// As above, on an image that the node keeps: no pixels are sent. `options.model` empty: the one it was embedded
    /// for.
    ///
    /// If the node does not hold it any more, it is embedded again, once, from the pixels in the handle, within the
    /// same deadline. `invalid_argument` for a handle of another client, or one that has been released.
    [[nodiscard]] Result<Segmentation> segment(const KeptImage& image, const Prompt& prompt,
                                               const SegmentOptions& options = {});

    /// As `segment`, without waiting. All such calls of a client share one thread and one connection; any number may be
    /// under way at once.
    ///
    /// With `keeps_pixels_alive` the image's memory is sent as it lies, and must stay as it is as long as that is
    /// held: it is let go once ZeroMQ has read the pixels, on any thread, so its destructor must not be what destroys
    /// the client. Without it the pixels are copied, and may change once this has returned. The same goes for the
    /// bytes in the prompt, by their own owner.
    ///
    /// The future becomes ready by the deadline at the latest, and when the client is closed (error `closed`). It may
    /// be thrown away: its destructor does not wait.
    [[nodiscard]] std::future<Result<Segmentation>>
    segment_async(ImageView image, Prompt prompt, SegmentOptions options = {},
                  std::shared_ptr<const void> keeps_pixels_alive = nullptr);

    /// Ask for all objects of an image, the largest first; `notes` of the answer say what was done otherwise than
    /// asked. The image's memory as in `segment`.
    [[nodiscard]] Result<Segmentation> everything(const ImageView& image, const EverythingOptions& options = {});

    /// As above, on an image that the node keeps; as `segment` with one.
    [[nodiscard]] Result<Segmentation> everything(const KeptImage& image, const EverythingOptions& options = {});

    /// Have the node keep an image and compute its embedding; later prompts send no pixels and cost a decode only.
    ///
    /// The handle holds the pixels, to send them again should the node lose the image: the memory as it lies with
    /// `keeps_pixels_alive`, for as long as that is held; without it a copy, which `KeptImage::forget_pixels` gives
    /// back.
    [[nodiscard]] Result<KeptImage> embed(const ImageView& image, const EmbedOptions& options = {},
                                          std::shared_ptr<const void> keeps_pixels_alive = nullptr);

    /// Take back a request that has not been answered, by the `id` it was given; whoever waits for it gets `cancelled`.
    /// Returns how many were cancelled: 0 where the node has nothing of that id waiting or running. Sent once only.
    [[nodiscard]] Result<int> cancel(std::string_view id, CallOptions options = {});

    /// Ask which models the node offers, which image encodings it reads, and its limits.
    [[nodiscard]] Result<Models> describe(CallOptions options = {});
    /// Ask whether the node is there, which run of it, and where its endpoints are.
    [[nodiscard]] Result<Pong> ping(CallOptions options = {});
    /// Ask how the node is doing: queues, rates, workers, topics, memory.
    [[nodiscard]] Result<Statistics> stats(CallOptions options = {});

    /// Subscribe to the results that the node publishes under a topic. Unless the options name an endpoint, the node
    /// is asked for it first. What is published before the node has heard of the subscription is missed, but for the
    /// topic's last value, which it sends to latecomers.
    [[nodiscard]] Result<Subscription> subscribe(const std::string& topic, const SubscribeOptions& options = {});

    /// As above, with a function that is called with each result, on a thread of the subscription's own, one after the
    /// other. It may use the client and close the subscription. An exception that leaves it goes to `options.on_error`.
    [[nodiscard]] Result<Subscription> subscribe(const std::string& topic, std::function<void(Segmentation)> callback,
                                                 SubscribeOptions options = {});

    /// Open a stream, or open the one of this name anew: frames go in one way, and masks are published. `name` has no
    /// "/", no ":" and no white space. Errors besides those of every call: `unknown_model`, `model_unavailable`,
    /// `unsupported_prompt` (a model that does not track, say), `busy`.
    [[nodiscard]] Result<Stream> open_stream(const std::string& name, StreamOptions options = {});
    /// Ask which streams there are, and how they are doing, in the order of their names.
    [[nodiscard]] Result<std::vector<StreamInfo>> streams(CallOptions options = {});
    /// Close a stream by its name, whoever opened it; those who send to one of `open_stream` use `Stream::close`. Error
    /// `unknown_stream` where there is none.
    [[nodiscard]] Result<StreamCounts> close_stream(const std::string& name, CallOptions options = {});

    /// Close all connections and subscriptions. Calls that still wait in other threads end with `closed`, and so does
    /// every later one. Any thread may, as often as it likes.
    void close() {
        if (core_ != nullptr) {
            core_->close();
        }
    }

private:
    friend struct detail::ClientCore;

    explicit Client(std::shared_ptr<detail::Core> core) : core_(std::move(core)) {}

    std::shared_ptr<detail::Core> core_;
};

}  // namespace maskbus

#include "maskbus/detail/client_calls.hpp"
#include "maskbus/detail/everything_calls.hpp"
#include "maskbus/detail/stream_calls.hpp"
