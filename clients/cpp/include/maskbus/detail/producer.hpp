#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/detail/credit.hpp"
#include "maskbus/detail/multipart.hpp"
#include "maskbus/detail/owned.hpp"
#include "maskbus/detail/pending_frames.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// Sends the frames of one stream over a connection of its own, and reads there what the node says of them.
///
/// A node that does not know the stream any more is told of it again over the same connection, ahead of the next frame:
/// that takes no waiting. Any thread may use a producer; frames go one after the other.
class Producer {
public:
    using Taken = PendingFrames::Taken;

    Producer(std::shared_ptr<Core> core, Socket socket, StreamOptions options, StreamOpened opened, Milliseconds total)
        : core_(std::move(core)), socket_(std::move(socket)), total_(total), opened_(std::move(opened)),
          every_(options.policy == StreamPolicy::every), options_(std::move(options)) {
        options_.model = opened_.model;
        options_.objects.clear();  // not prompted again: the frame that they were prompted in is gone
        credit_.open(opened_.limit.value_or(0));
    }
    ~Producer() {
        stop();
    }
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;

    [[nodiscard]] const std::shared_ptr<Core>& core() const noexcept {
        return core_;
    }
    /// What the node said when the stream was opened.
    [[nodiscard]] const StreamOpened& opened() const noexcept {
        return opened_;
    }

    /// Send a frame, as `Stream::send` does. `owner` keeps what an `ImageView` points to, or the pixels are copied.
    /// With `taken` the node is asked to tell that it has the frame; it is called where this returns true, and only
    /// there.
    [[nodiscard]] Result<bool> send(const wire::Image& image, FrameOptions frame,
                                    const std::shared_ptr<const void>& owner, Taken taken);

    /// Read what has come, and return the last error about an earlier frame that has not been returned.
    [[nodiscard]] Result<void> check();

    /// Remember what the stream is to be like, should it be opened again.
    void changed(const StreamUpdate& update);
    /// Remember that the node knows nothing of the stream.
    void mark_lost() noexcept {
        gone_ = true;
    }

    /// Let nothing be sent any more; a `send` that waits in another thread ends. Returns whether this was the first
    /// time.
    bool end() noexcept {
        return !ended_.exchange(true);
    }
    /// After `end`: wait until the node has all that was sent, and with `every` is done with it; or until it is silent,
    /// or that moment has come.
    void drain(TimePoint until);
    /// Close the connection.
    void stop();

    [[nodiscard]] std::uint64_t sent() const noexcept {
        return sent_;
    }
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_;
    }
    [[nodiscard]] std::uint64_t lost() const noexcept {
        return lost_;
    }
    [[nodiscard]] std::uint64_t errors() const noexcept {
        return errors_;
    }
    [[nodiscard]] std::uint64_t reopened() const noexcept {
        return reopened_;
    }

private:
    enum class State { open, lost, opening };

    [[nodiscard]] std::optional<Error> over() const;
    [[nodiscard]] Result<void> await_turn(TimePoint until);
    [[nodiscard]] bool writable() const noexcept;
    void poll(long milliseconds) const noexcept;
    bool listen();
    void hear(const wire::Opened& message);
    void hear_error(const wire::Opened& message);
    void hear_open(const wire::Opened& message);
    void hear_list(const wire::Opened& message);
    void open_again(TimePoint now);
    void ask();
    void note(Error error);

    /// How long a frame that waits may take to notice that the stream has been closed.
    static constexpr long slice_ms = 100;
    /// How long nothing is tried after the node has refused to open the stream again.
    static constexpr Milliseconds pause{500};

    std::shared_ptr<Core> core_;
    std::optional<Socket> socket_;
    Milliseconds total_;
    StreamOpened opened_;
    bool every_;

    std::mutex using_;  // for the socket, and for what follows up to the next mutex
    State state_ = State::open;
    Credit credit_;
    std::int64_t given_ = 0;
    std::vector<zmq::message_t> frames_;
    PendingFrames pending_;
    std::uint64_t openings_ = 0;
    std::string open_id_;
    std::string list_id_;
    bool told_ = false;
    TimePoint opening_since_{};
    TimePoint pause_until_{};
    std::optional<Error> refused_;

    std::mutex mutex_;  // for the next two
    StreamOptions options_;
    std::optional<Error> last_error_;

    std::atomic<bool> gone_{false};
    std::atomic<bool> ended_{false};
    std::atomic<std::uint64_t> sent_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> lost_{0};
    std::atomic<std::uint64_t> errors_{0};
    std::atomic<std::uint64_t> reopened_{0};
};

inline Result<bool> Producer::send(const wire::Image& image, FrameOptions frame,
                                   const std::shared_ptr<const void>& owner, Taken taken) {
    const TimePoint begin = Clock::now();
    if (!frame.stamp) {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        frame.stamp = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    }
    if (std::optional<Error> error = over()) {
        return *std::move(error);  // at once: whoever closes the stream uses the connection until the end
    }
    const std::lock_guard<std::mutex> lock(using_);
    frame.seq = frame.seq.value_or(given_);
    const std::string id = taken ? core_->peer().ids.next() : std::string();
    Result<wire::Message> message = wire::stream_frame(opened_.stream, image, frame, id, taken != nullptr);
    if (!message) {
        return std::move(message).error();
    }
    ++given_;
    listen();
    if (std::optional<Error> error = over()) {
        return *std::move(error);
    }
    if (every_) {
        constexpr Milliseconds longest(request_limits.deadline_ms);
        const Milliseconds patience = std::max(Milliseconds(0), std::min(frame.timeout.value_or(total_), longest));
        if (Result<void> turn = await_turn(begin + patience); !turn) {
            return std::move(turn).error();
        }
    }
    open_again(begin);
    if (const auto* view = std::get_if<ImageView>(&image)) {
        message = keeping(std::move(message), {*view, owner}, {});
    }
    if (state_ == State::lost || !writable() || !detail::send(*socket_, *message, nullptr)) {
        ++dropped_;
        return false;
    }
    if (taken) {
        pending_.add(id, std::move(taken), openings_);
    }
    credit_.spend();
    ++sent_;
    return true;
}

/// Return why nothing can be sent any more, if that is so.
inline std::optional<Error> Producer::over() const {
    if (core_->is_closed()) {
        return Error{codes::closed, "The client of this stream is closed."};
    }
    if (ended_) {
        return Error{codes::closed, "The stream is closed."};
    }
    return std::nullopt;
}

/// Wait until a frame may be sent: there is credit for it, and room.
inline Result<void> Producer::await_turn(TimePoint until) {
    TimePoint doubt_at = Clock::now() + core_->peer().policy.patience;
    for (;;) {
        const TimePoint now = Clock::now();
        open_again(now);
        if (refused_) {
            return *std::exchange(refused_, std::nullopt);
        }
        const bool credit = state_ == State::open && credit_.left();
        if (credit && writable()) {
            return {};
        }
        if (now >= until) {
            return Error{codes::deadline_exceeded, credit ? "The node did not take the frame in time."
                                                          : "The node gave no credit for the frame in time."};
        }
        if (now >= doubt_at) {
            // Credit may have been lost with a connection, or the stream with a node that was restarted.
            ask();
            doubt_at = now + core_->peer().policy.patience;
        }
        const long left = std::min(milliseconds_until(until, now), milliseconds_until(doubt_at, now));
        poll(std::min(left, slice_ms));
        listen();
        if (std::optional<Error> error = over()) {
            return *std::move(error);
        }
    }
}

inline bool Producer::writable() const noexcept {
    int events = 0;
    std::size_t size = sizeof events;
    return zmq_getsockopt(socket_->handle(), ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLOUT) != 0;
}

/// Wait for news, or for room where there is none.
inline void Producer::poll(long milliseconds) const noexcept {
    const int room = writable() ? 0 : ZMQ_POLLOUT;
    zmq_pollitem_t item{socket_->handle(), 0, static_cast<short>(ZMQ_POLLIN | room), 0};
    zmq_poll(&item, 1, milliseconds);
}

/// Read what has come, without waiting; whether anything had.
inline bool Producer::listen() {
    if (gone_.exchange(false) && state_ == State::open) {
        state_ = State::lost;
    }
    constexpr int at_once = 1'000;  // a peer that never stops talking does not hold a frame up
    for (int count = 0; count < at_once; ++count) {
        if (!socket_ || receive(*socket_, frames_, ZMQ_DONTWAIT) != Received::message) {
            return count > 0;
        }
        if (frames_.size() < 2 || !frames_[0].empty()) {
            continue;
        }
        if (const Arrival arrival = wire::open(to_bytes(std::move(frames_[1])), {}); arrival) {
            hear(*arrival);
        }
    }
    return true;
}

inline void Producer::hear(const wire::Opened& message) {
    const std::string_view reply = message.reply();
    if (reply == "stream.credit") {
        if (const Result<StreamCredit> credit = wire::stream_credit(message); credit && state_ == State::open) {
            credit_.raise(credit->limit);
        }
    } else if (reply == "stream.frame") {
        if (const Result<StreamFrameTaken> taken = wire::stream_frame_taken(message); taken) {
            credit_.raise(taken->limit.value_or(0));
            pending_.told(taken->id, {});
        }
    } else if (reply == "stream.open") {
        hear_open(message);
    } else if (reply == "stream.list") {
        hear_list(message);
    } else if (reply == "error") {
        hear_error(message);
    }
}

inline void Producer::hear_error(const wire::Opened& message) {
    const Result<ErrorReply> reply = wire::error_reply(message);
    if (!reply) {
        return;
    }
    if (!list_id_.empty() && reply->id == list_id_) {
        list_id_.clear();
        told_ = true;
        return;
    }
    Error error = reply->to_error();
    const TimePoint now = Clock::now();
    if (!open_id_.empty() && reply->id == open_id_) {
        open_id_.clear();
        state_ = State::lost;
        pause_until_ = now + pause;
        if (!error.retryable()) {
            refused_ = error;
        }
        note(std::move(error));
        return;
    }
    pending_.told(reply->id, error);
    if (error.code != codes::unknown_stream) {
        note(std::move(error));
        return;
    }
    ++lost_;
    // What was on its way when the stream was found to be gone says nothing new.
    if (state_ == State::open || (state_ == State::opening && now > opening_since_ + core_->peer().policy.patience)) {
        state_ = State::lost;
    }
}

inline void Producer::hear_open(const wire::Opened& message) {
    if (open_id_.empty() || message.id() != open_id_) {
        return;
    }
    open_id_.clear();
    if (const Result<StreamOpened> again = wire::stream_opened(message); again) {
        state_ = State::open;
        credit_.open(again->limit.value_or(0));
        refused_.reset();
        pending_.opened(openings_);
        ++reopened_;
    }
}

inline void Producer::hear_list(const wire::Opened& message) {
    if (list_id_.empty() || message.id() != list_id_) {
        return;
    }
    list_id_.clear();
    const Result<Streams> list = wire::streams(message);
    if (!list || state_ != State::open) {
        return;
    }
    const auto same = [this](const StreamInfo& info) { return info.stream == opened_.stream; };
    const auto found = std::find_if(list->streams.begin(), list->streams.end(), same);
    if (found == list->streams.end()) {
        state_ = State::lost;
        return;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    credit_.told(*found, options_.max_waiting);
    told_ = true;
}

/// If the node does not know the stream, tell it, unless there is no room or it has just refused to.
inline void Producer::open_again(TimePoint now) {
    const bool silent = every_ && state_ == State::opening && now > opening_since_ + core_->peer().policy.patience;
    if ((state_ != State::lost && !silent) || now < pause_until_ || !writable()) {
        return;
    }
    const std::string id = core_->peer().ids.next();
    Result<wire::Message> message = [&] {
        const std::lock_guard<std::mutex> lock(mutex_);
        return wire::stream_open(opened_.stream, options_, id);
    }();
    if (!message || !detail::send(*socket_, *message, nullptr)) {
        return;
    }
    open_id_ = id;
    list_id_.clear();
    opening_since_ = now;
    state_ = State::opening;
    ++openings_;
}

/// Ask how the stream is doing, where there is room for that.
inline void Producer::ask() {
    if (state_ != State::open || !writable()) {
        return;
    }
    list_id_ = core_->peer().ids.next();
    if (const Result<wire::Message> message = wire::stream_list(list_id_); message) {
        credit_.ask();
        detail::send(*socket_, *message, nullptr);
    }
}

inline void Producer::note(Error error) {
    ++errors_;
    const std::lock_guard<std::mutex> lock(mutex_);
    last_error_ = std::move(error);
}

inline Result<void> Producer::check() {
    // Whoever is sending meanwhile reads what has come.
    if (const std::unique_lock<std::mutex> lock(using_, std::try_to_lock); lock) {
        listen();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (last_error_) {
        return *std::exchange(last_error_, std::nullopt);
    }
    return {};
}

inline void Producer::changed(const StreamUpdate& update) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (update.prompt) {
        options_.prompt = *update.prompt;
    }
    if (update.encodings) {
        options_.encodings = *update.encodings;
    }
    if (update.max_fps) {
        options_.max_fps = update.max_fps;
    }
    if (update.max_age) {
        options_.max_age = update.max_age->count() == 0 ? std::nullopt : update.max_age;
    }
    if (update.always) {
        options_.always = *update.always;
    }
    if (update.options) {
        options_.options = *update.options;
    }
}

inline void Producer::drain(TimePoint until) {
    const Policy& policy = core_->peer().policy;
    const std::lock_guard<std::mutex> lock(using_);
    told_ = false;
    TimePoint ask_at{};
    TimePoint silent_at = Clock::now() + policy.probe_timeout;
    const std::int64_t max_waiting = [this] {
        const std::lock_guard<std::mutex> own(mutex_);
        return options_.max_waiting;
    }();
    while (socket_ && !core_->is_closed()) {
        const TimePoint now = Clock::now();
        if (listen()) {
            silent_at = now + policy.probe_timeout;
        }
        if (state_ != State::open || (told_ && (!every_ || credit_.is_whole(max_waiting))) || now >= until ||
            now >= silent_at) {
            return;
        }
        if (now >= ask_at && writable()) {
            ask();
            ask_at = now + policy.patience;
        }
        poll(slice_ms);
    }
}

inline void Producer::stop() {
    end();
    const std::lock_guard<std::mutex> lock(using_);
    socket_.reset();
    pending_.end();
}

}  // namespace maskbus::detail
