#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/detail/bell.hpp"
#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/multipart.hpp"
#include "maskbus/detail/sockets.hpp"
#include "maskbus/detail/topic_filter.hpp"

namespace maskbus::detail {

/// What stands behind a subscription: its socket, and with `newest` a thread that keeps up with the node, or one that
/// calls back.
class Feed : public std::enable_shared_from_this<Feed> {
public:
    [[nodiscard]] static Result<std::shared_ptr<Feed>> open(const Context& context, const std::string& endpoint,
                                                            const std::optional<Keys>& keys, TopicFilter filter,
                                                            bool newest) {
        // Heartbeats of the socket have a machine noticed that vanished without a word.
        Result<Socket> socket = connect_socket(context, ZMQ_SUB, endpoint, {1'000, 1'000}, keys);
        if (!socket) {
            return std::move(socket).error();
        }
        Result<std::unique_ptr<Bell>> bell = Bell::make(context);
        if (!bell) {
            return std::move(bell).error();
        }
        std::shared_ptr<Feed> feed(new Feed(*std::move(socket), *std::move(bell), std::move(filter)));
        feed->socket_->set(ZMQ_SUBSCRIBE, feed->filter_.wanted());
        if (newest) {
            feed->newest_ = true;
            if (Result<void> started = start(feed->keeper_, [raw = feed.get()] { raw->keep(); }); !started) {
                return std::move(started).error();
            }
        }
        return feed;
    }

    ~Feed() {
        close();
        // What is left to do where the callback was what let go of the feed: this is the caller's thread then.
        join(keeper_);
        if (caller_.joinable()) {
            caller_.detach();
        }
    }
    Feed(const Feed&) = delete;
    Feed& operator=(const Feed&) = delete;

    /// Return the next result, waiting for it until the given moment or, without one, until the subscription is over.
    [[nodiscard]] Result<Segmentation> next(std::optional<TimePoint> until) {
        std::optional<Published> found = newest_ ? take(until) : receive(until);
        if (found) {
            return std::move(found->masks);
        }
        if (client_closed_) {
            return Error{codes::closed, "The client of this subscription is closed."};
        }
        if (closed_) {
            return Error{codes::closed, "The subscription is closed."};
        }
        return Error{codes::deadline_exceeded, "Nothing was published under \"" + filter_.wanted() + "\" in time."};
    }

    /// Have every result, and every error but `closed`, handed to a function, on a thread of its own.
    [[nodiscard]] Result<void> call(std::function<void(Result<Segmentation>)> callback) {
        callback_ = std::move(callback);
        // The thread keeps the feed: the callback may be what lets go of the subscription.
        return start(caller_, [self = shared_from_this()] { self->call_back(); });
    }

    /// How many results were passed over because a newer one of the same topic was there.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_;
    }

    /// End it. Any thread may. Once this has returned nothing calls back any more; called by the callback itself, it
    /// returns at once, and that call is the last.
    void close() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            closed_ = true;
        }
        changed_.notify_all();
        bell_->ring();
        if (std::this_thread::get_id() == caller_id_) {
            return;
        }
        const std::lock_guard<std::mutex> lock(closing_);
        join(keeper_);
        join(caller_);
        const std::lock_guard<std::mutex> using_socket(using_);
        socket_.reset();
    }

    void close_with_client() {
        if (!closed_) {
            client_closed_ = true;
        }
        close();
    }

private:
    Feed(Socket socket, std::unique_ptr<Bell> bell, TopicFilter filter)
        : filter_(std::move(filter)), bell_(std::move(bell)), socket_(std::move(socket)) {}

    template <class Body>
    static Result<void> start(std::thread& thread, Body body) {
        try {
            thread = std::thread(std::move(body));
        } catch (const std::system_error& error) {
            return Error{codes::closed, std::string("No thread can be started: ") + error.what() + "."};
        }
        return {};
    }

    static void join(std::thread& thread) {
        if (thread.joinable()) {
            thread.join();
        }
    }

    /// Read messages until one is wanted; nothing if none was in time, or the subscription is over.
    std::optional<Published> receive(std::optional<TimePoint> until) {
        const std::lock_guard<std::mutex> lock(using_);
        while (!closed_) {
            if (detail::receive(*socket_, frames_, ZMQ_DONTWAIT) == Received::message) {
                if (std::optional<Published> found = filter_.read(frames_)) {
                    return found;
                }
            }
            const long left = until ? milliseconds_until(*until, Clock::now()) : -1;
            if (left == 0) {
                return std::nullopt;
            }
            // The bell is rung at the end only, and left ringing for whoever else waits.
            zmq_pollitem_t items[] = {{socket_->handle(), 0, ZMQ_POLLIN, 0}, {bell_->handle(), 0, ZMQ_POLLIN, 0}};
            if (zmq_poll(items, 2, left) < 0 && zmq_errno() != EINTR) {
                return std::nullopt;
            }
        }
        return std::nullopt;
    }

    /// Take the oldest of the newest messages, or wait for one.
    std::optional<Published> take(std::optional<TimePoint> until) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto ready = [this] { return closed_ || !newest_of_.empty(); };
        if (until) {
            changed_.wait_until(lock, *until, ready);
        } else {
            changed_.wait(lock, ready);
        }
        if (closed_ || newest_of_.empty()) {
            return std::nullopt;
        }
        std::optional<Published> found(std::move(newest_of_.front()));
        newest_of_.pop_front();
        return found;
    }

    /// Keep the newest message of each topic.
    void keep() {
        while (std::optional<Published> found = receive(std::nullopt)) {
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                const auto same = [&](const Published& other) { return other.topic == found->topic; };
                const auto older = std::find_if(newest_of_.begin(), newest_of_.end(), same);
                if (older != newest_of_.end()) {
                    dropped_ += older->masks.ok() ? 1 : 0;
                    newest_of_.erase(older);
                }
                newest_of_.push_back(*std::move(found));
            }
            changed_.notify_all();
        }
    }

    void call_back() {
        caller_id_ = std::this_thread::get_id();
        while (!closed_) {
            std::optional<Published> found = newest_ ? take(std::nullopt) : receive(std::nullopt);
            if (found) {
                callback_(std::move(found->masks));
            }
        }
    }

    TopicFilter filter_;
    bool newest_ = false;
    std::unique_ptr<Bell> bell_;
    std::mutex using_;  // held by whoever reads the socket
    std::optional<Socket> socket_;
    std::vector<zmq::message_t> frames_;

    std::mutex mutex_;  // for the next two
    std::condition_variable changed_;
    std::list<Published> newest_of_;

    std::atomic<bool> closed_{false};
    std::atomic<bool> client_closed_{false};
    std::atomic<std::uint64_t> dropped_{0};

    std::function<void(Result<Segmentation>)> callback_;
    std::atomic<std::thread::id> caller_id_{};
    std::mutex closing_;
    std::thread keeper_;
    std::thread caller_;
};

}  // namespace maskbus::detail
