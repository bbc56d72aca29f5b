#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "maskbus/client_options.hpp"
#include "maskbus/detail/connection.hpp"
#include "maskbus/detail/conversation.hpp"
#include "maskbus/detail/feed.hpp"
#include "maskbus/detail/peer.hpp"
#include "maskbus/detail/pipeline.hpp"
#include "maskbus/detail/sockets.hpp"

namespace maskbus::detail {

/// What stands behind a client: the idle connections, the thread of the calls that do not block, the subscriptions.
/// Kept images and subscriptions know it as well; it is over when the client is closed, whoever still holds it.
class Core {
public:
    /// Check the options. Blocks and connects nothing.
    [[nodiscard]] static Result<std::shared_ptr<Core>> make(ClientOptions options);

    ~Core() {
        close();
    }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    [[nodiscard]] Peer& peer() noexcept {
        return peer_;
    }

    /// Ask, and wait for the answer on the caller's thread. `id` empty: a random one.
    [[nodiscard]] Arrival ask(Encoder encode, Milliseconds deadline, bool work, const std::string& id = {},
                              Listener progress = {});
    /// As `ask`, for what must not be sent twice.
    [[nodiscard]] Arrival ask_once(Encoder encode, Milliseconds deadline);
    /// Ask, and hand the answer over on another thread, exactly once. What `encode` writes owns its attachments.
    void post(Encoder encode, Milliseconds deadline, const std::string& id, std::function<void(Arrival)> finish);
    /// Send something whose answer nobody waits for; it is lost where the node does not take it soon.
    void tell(const Encoder& encode);

    /// Subscribe at an endpoint.
    [[nodiscard]] Result<std::shared_ptr<Feed>> subscribe(const std::string& endpoint, TopicFilter filter, bool newest);

    /// Return a connection of its own to the node, for one-way messages.
    [[nodiscard]] Result<Socket> dealer(HighWater high_water);
    [[nodiscard]] bool is_closed() const noexcept {
        return closed_;
    }

    /// End all calls and subscriptions: those that wait get `closed`. Any thread may, and as often as it likes.
    void close();

private:
    class Turn;

    Core(std::string endpoint, Policy policy, std::optional<Keys> keys, Context context)
        : peer_(std::move(endpoint), policy), keys_(std::move(keys)), context_(std::move(context)) {}

    static Error closed() {
        return {codes::closed, "The client is closed."};
    }
    [[nodiscard]] Arrival run(Request request, Milliseconds deadline);
    /// Return an idle connection, or a fresh one.
    [[nodiscard]] Result<std::unique_ptr<Connection>> connect(bool fresh);
    void await(Connection& connection, TimePoint until, Conversation& talk);
    [[nodiscard]] Result<std::shared_ptr<Pipeline>> pipeline();

    /// How long a waiting call may take to notice that the client has been closed.
    static constexpr long slice_ms = 100;
    /// How long what was told last may take to go out once the client is closed.
    static constexpr int parting_ms = 100;

    Peer peer_;
    std::optional<Keys> keys_;
    std::atomic<bool> closed_{false};
    std::mutex mutex_;  // for all that follows
    std::condition_variable changed_;
    Context context_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::size_t busy_ = 0;
    std::shared_ptr<Pipeline> pipeline_;
    std::vector<std::weak_ptr<Feed>> feeds_;
};

/// A call's turn with a connection. However it ends, libzmq has let go of the caller's memory by then.
class Core::Turn {
public:
    explicit Turn(Core& core) : core_(core) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    ~Turn() {
        settle();
        std::unique_ptr<Connection> dropped;  // closed without the lock
        const std::lock_guard<std::mutex> lock(core_.mutex_);
        if (usable && !core_.closed_ && connection) {
            core_.idle_.push_back(std::move(connection));
        } else {
            dropped = std::move(connection);
        }
        --core_.busy_;
        core_.changed_.notify_all();
    }

    void send(const wire::Message& message) {
        // A connection over which nothing has come yet may not even be one: what goes out over it may stay where it is
        // until the node is there, and is copied rather than waited for.
        const bool lends = connection->received() > 0 && borrows(message);
        if (lends && loans_ == nullptr) {
            loans_ = std::make_shared<Loans>();
        }
        detail::send(connection->socket(), message, lends ? loans_ : nullptr);
    }

    std::unique_ptr<Connection> connection;
    /// Whether the connection can be used again.
    bool usable = false;

private:
    static bool borrows(const wire::Message& message) {
        return std::any_of(message.attachments.begin(), message.attachments.end(),
                           [](const Bytes& bytes) { return bytes.size() >= large && bytes.owner() == nullptr; });
    }

    /// Wait until the caller's memory is his alone again.
    ///
    /// Once the answer is there all has been sent, and libzmq lets go within microseconds. Otherwise the connection is
    /// closed, which has libzmq drop what it has not sent; that is certain, so it is waited for without a limit.
    void settle() {
        if (loans_ == nullptr) {
            return;
        }
        if (!usable || !loans_->wait_until(Clock::now() + Milliseconds(20))) {
            connection.reset();
            loans_->wait();
        }
    }

    Core& core_;
    std::shared_ptr<Loans> loans_;
};

inline Result<std::shared_ptr<Core>> Core::make(ClientOptions options) {
    Result<std::string> endpoint = resolve_endpoint(std::move(options.endpoint));
    if (!endpoint) {
        return std::move(endpoint).error();
    }
    Policy policy;
    if (options.deadline) {
        policy.deadline = policy.everything_deadline = *options.deadline;
    }
    policy.retries = options.retries;
    policy.connect_timeout = options.connect_timeout;
    if (Result<Milliseconds> sound = Peer::check_deadline(policy.deadline); !sound) {
        return std::move(sound).error();
    }
    if (policy.connect_timeout.count() <= 0 || policy.connect_timeout.count() > request_limits.deadline_ms) {
        return Error{codes::invalid_argument, "A connect_timeout is more than 0 and at most an hour.",
                     "connect_timeout"};
    }
    if (policy.retries < 0 || policy.retries > 1'000) {
        return Error{codes::invalid_argument, "retries is a number from 0 to 1000.", "retries"};
    }
    Result<std::optional<Keys>> keys = resolve_keys(std::move(options.keys));
    if (!keys) {
        return std::move(keys).error();
    }
    Context context = new_context();
    if (Result<void> sound = check_keys(context, *keys); !sound) {
        return std::move(sound).error();
    }
    return std::shared_ptr<Core>(new Core(*std::move(endpoint), policy, *std::move(keys), std::move(context)));
}

inline Arrival Core::ask(Encoder encode, Milliseconds deadline, bool work, const std::string& id, Listener progress) {
    Request request;
    request.id = id.empty() ? peer_.ids.next() : id;
    request.encode = std::move(encode);
    request.work = work;
    request.progress = std::move(progress);
    return run(std::move(request), deadline);
}

inline Arrival Core::ask_once(Encoder encode, Milliseconds deadline) {
    Request request;
    request.id = peer_.ids.next();
    request.encode = std::move(encode);
    request.once = true;
    return run(std::move(request), deadline);
}

inline Arrival Core::run(Request request, Milliseconds deadline) {
    const Result<Milliseconds> total = peer_.deadline(deadline);
    if (!total) {
        return total.error();
    }
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (closed_) {
            return closed();
        }
        ++busy_;
    }
    Turn turn(*this);
    Conversation talk(peer_, std::move(request), *total, Clock::now());
    for (;;) {
        const Conversation::Step step = talk.next(Clock::now());
        switch (step.kind) {
            case Conversation::Kind::connect: {
                Result<std::unique_ptr<Connection>> made = connect(turn.connection != nullptr);
                if (!made) {
                    talk.abort(std::move(made).error());
                    break;
                }
                turn.connection = *std::move(made);
                talk.connected(*turn.connection);
                break;
            }
            case Conversation::Kind::send:
                turn.send(talk.outgoing());
                break;
            case Conversation::Kind::wait:
                await(*turn.connection, step.until, talk);
                break;
            case Conversation::Kind::done: {
                Arrival result = talk.take();
                turn.usable = result || (talk.refused() && result.error().code != codes::deadline_exceeded);
                return result;
            }
        }
    }
}

/// Tell a conversation what came, or that nothing did.
inline void Core::await(Connection& connection, TimePoint until, Conversation& talk) {
    for (;;) {
        const long left = milliseconds_until(until, Clock::now());
        connection.patience(std::min(left, slice_ms));
        switch (receive(connection.socket(), connection.frames, 0)) {
            case Received::message:
                if (std::optional<Arrival> arrival = connection.read(connection.frames)) {
                    talk.arrived(*std::move(arrival), Clock::now());
                    return;
                }
                break;
            case Received::nothing:
                if (closed_) {
                    talk.abort({codes::closed, "The client was closed while a call waited."});
                    return;
                }
                break;
            case Received::interrupted:
                continue;
            case Received::ended:
                talk.abort(closed());
                return;
        }
        if (left == 0) {
            talk.silence(Clock::now());
            return;
        }
    }
}

inline Result<std::unique_ptr<Connection>> Core::connect(bool fresh) {
    Context context;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (closed_) {
            return closed();
        }
        if (!fresh && !idle_.empty()) {
            std::unique_ptr<Connection> connection = std::move(idle_.back());
            idle_.pop_back();
            return connection;
        }
        context = context_;
    }
    return Connection::open(std::move(context), peer_.endpoint, keys_);
}

inline void Core::post(Encoder encode, Milliseconds deadline, const std::string& id,
                       std::function<void(Arrival)> finish) {
    const Result<Milliseconds> total = peer_.deadline(deadline);
    if (!total) {
        finish(total.error());
        return;
    }
    Result<std::shared_ptr<Pipeline>> found = pipeline();
    if (!found) {
        finish(std::move(found).error());
        return;
    }
    Request request;
    request.id = id.empty() ? peer_.ids.next() : id;
    request.encode = std::move(encode);
    request.work = true;
    (*found)->submit(std::move(request), *total, std::move(finish));
}

inline Result<std::shared_ptr<Pipeline>> Core::pipeline() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) {
        return closed();
    }
    if (pipeline_ == nullptr) {
        Result<std::shared_ptr<Pipeline>> started = Pipeline::start(context_, peer_, keys_);
        if (!started) {
            return started;
        }
        pipeline_ = *std::move(started);
    }
    return pipeline_;
}

inline void Core::tell(const Encoder& encode) {
    Result<std::unique_ptr<Connection>> found = connect(false);
    Result<wire::Message> message = encode(peer_.ids.next(), 0);
    if (!found || !message) {
        return;
    }
    std::unique_ptr<Connection> connection = *std::move(found);
    if (!connection->greeted()) {
        if (const Result<wire::Message> greeting = connection->greet(peer_.ids.next()); greeting) {
            send(connection->socket(), *greeting, nullptr);
        }
    }
    connection->linger(parting_ms);
    send(connection->socket(), *message, nullptr);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_) {
        idle_.push_back(std::move(connection));
    }
}

inline Result<std::shared_ptr<Feed>> Core::subscribe(const std::string& endpoint, TopicFilter filter, bool newest) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) {
        return closed();
    }
    Result<std::shared_ptr<Feed>> feed = Feed::open(context_, endpoint, keys_, std::move(filter), newest);
    if (feed) {
        feeds_.erase(std::remove_if(feeds_.begin(), feeds_.end(), [](const auto& known) { return known.expired(); }),
                     feeds_.end());
        feeds_.push_back(*feed);
    }
    return feed;
}

inline Result<Socket> Core::dealer(HighWater high_water) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) {
        return closed();
    }
    return connect_socket(context_, ZMQ_DEALER, peer_.endpoint, high_water, keys_);
}

inline void Core::close() {
    std::vector<std::unique_ptr<Connection>> idle;
    std::vector<std::weak_ptr<Feed>> feeds;
    std::shared_ptr<Pipeline> pipeline;
    Context context;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
        idle.swap(idle_);
        feeds.swap(feeds_);
        pipeline.swap(pipeline_);
        context.swap(context_);
    }
    for (const std::weak_ptr<Feed>& known : feeds) {
        if (const std::shared_ptr<Feed> feed = known.lock()) {
            feed->close_with_client();
        }
    }
    if (pipeline != nullptr) {
        pipeline->stop();
    }
    // Each call under way notices within a slice, and closes its own socket: nobody else may touch it.
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, 50 * Milliseconds(slice_ms), [this] { return busy_ == 0; });
}

}  // namespace maskbus::detail
