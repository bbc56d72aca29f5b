#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "maskbus/detail/producer.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/options.hpp"
#include "maskbus/result.hpp"
#include "maskbus/segmentation.hpp"
#include "maskbus/stream_options.hpp"
#include "maskbus/stream_replies.hpp"
#include "maskbus/subscription.hpp"

namespace maskbus {

namespace detail {
struct ProducerOf;
}

/// A camera's frames on their way to the node. Move-only; made by `Client::open_stream`.
///
/// Frames are one-way messages over a connection of the stream's own; the masks are published, to `results` and to
/// whoever else subscribes. A node that does not know the stream any more, because it was restarted or no frame came
/// for long, is told of it again by itself, ahead of the next frame; objects that were followed are lost then, and have
/// to be given again (`reopened`).
///
/// Any thread may use it; frames go one after the other. It may outlive its client, which ends it. Its destructor has
/// the node close the stream, and does not wait for that.
class Stream {
public:
    Stream(Stream&& other) noexcept = default;
    Stream& operator=(Stream&& other) noexcept {
        if (this != &other) {
            drop();
            producer_ = std::move(other.producer_);
        }
        return *this;
    }
    ~Stream() {
        drop();
    }

    /// Send the next frame; whether it was sent.
    ///
    /// With the policies `newest` and `sample` this never waits. False: the node takes frames more slowly than they
    /// come, or is not there; this one is dropped and counted. With `every` it waits for credit, and is true or an
    /// error
    /// (`deadline_exceeded`).
    ///
    /// With `keeps_pixels_alive` the image's memory is sent as it lies, and must stay as it is as long as that is held:
    /// it is let go once ZeroMQ has read the pixels, on any thread. Without it the pixels are copied, and may change
    /// once this has returned.
    ///
    /// What becomes of a frame is told by the results, and by `check`; an error here is about this frame
    /// (`invalid_image`, say), `closed`, or with `every` why the node would not open the stream again.
    [[nodiscard]] Result<bool> send(const ImageView& image, const FrameOptions& options = {},
                                    const std::shared_ptr<const void>& keeps_pixels_alive = nullptr);

    /// Return the last error about an earlier frame that has not been returned yet. Does not wait.
    [[nodiscard]] Result<void> check();

    /// Change the stream while it runs. With objects, the answer comes when the model has prompted them. An error
    /// changes nothing; `unknown_stream`: the next frame opens the stream again, and the change is to be made again.
    [[nodiscard]] Result<StreamUpdated> update(const StreamUpdate& update);
    /// Follow an object as well, or correct one that is followed.
    [[nodiscard]] Result<StreamUpdated> add(std::int64_t object_id, Prompt prompt, CallOptions options = {});
    /// Follow an object no longer.
    [[nodiscard]] Result<StreamUpdated> remove(std::int64_t object_id, CallOptions options = {});
    /// Ask how the stream is doing. Error `unknown_stream` where it is not there.
    [[nodiscard]] Result<StreamInfo> info(CallOptions options = {});

    /// What `results` subscribes with where it is not said: the newest result alone, as it is published.
    [[nodiscard]] static SubscribeOptions newest() {
        SubscribeOptions options;
        options.newest = true;
        return options;
    }
    /// Subscribe to the results, as `Client::subscribe` does. Until somebody has, nothing is computed, unless the
    /// stream was opened with `always`.
    [[nodiscard]] Result<Subscription> results(const SubscribeOptions& options = newest());
    /// As above, with a function that is called with each result, on a thread of the subscription's own.
    [[nodiscard]] Result<Subscription> results(std::function<void(Segmentation)> callback,
                                               SubscribeOptions options = newest());

    /// Name of the stream, of its model, and the topics of its results and of its frames; empty once moved elsewhere.
    [[nodiscard]] std::string name() const {
        return opened().stream;
    }
    [[nodiscard]] std::string model() const {
        return opened().model;
    }
    [[nodiscard]] std::string topic() const {
        return opened().topic;
    }
    [[nodiscard]] std::string frames_topic() const {
        return opened().frames_topic;
    }

    /// Frames that were sent.
    [[nodiscard]] std::uint64_t sent() const noexcept {
        return producer_ == nullptr ? 0 : producer_->sent();
    }
    /// Frames that were not sent, for want of room. What the node itself drops stands in its counts.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return producer_ == nullptr ? 0 : producer_->dropped();
    }
    /// Frames that were sent to a node that did not know the stream any more.
    [[nodiscard]] std::uint64_t lost() const noexcept {
        return producer_ == nullptr ? 0 : producer_->lost();
    }
    /// Errors that have come about earlier frames.
    [[nodiscard]] std::uint64_t errors() const noexcept {
        return producer_ == nullptr ? 0 : producer_->errors();
    }
    /// How often the stream has been opened again.
    [[nodiscard]] std::uint64_t reopened() const noexcept {
        return producer_ == nullptr ? 0 : producer_->reopened();
    }

    /// End the stream once the node has all frames that were sent, and with `every` is done with them, and return what
    /// became of them since the stream was opened last. A stream that the node does not know any more has ended,
    /// without counts. A `send` that waits in another thread ends with `closed`, and so does every later call.
    [[nodiscard]] Result<StreamCounts> close(CallOptions options = {});

private:
    friend class Client;
    friend struct detail::ProducerOf;

    explicit Stream(std::shared_ptr<detail::Producer> producer) : producer_(std::move(producer)) {}

    [[nodiscard]] StreamOpened opened() const {
        return producer_ == nullptr ? StreamOpened{} : producer_->opened();
    }
    void drop();

    std::shared_ptr<detail::Producer> producer_;
};

namespace detail {

/// Gives what stands behind a stream to the parts of this library that send frames in other ways.
struct ProducerOf {
    /// Null for a stream that has been moved elsewhere.
    [[nodiscard]] static const std::shared_ptr<Producer>& of(const Stream& stream) noexcept {
        return stream.producer_;
    }
};

}  // namespace detail
}  // namespace maskbus
