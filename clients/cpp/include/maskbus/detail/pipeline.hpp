#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/detail/bell.hpp"
#include "maskbus/detail/connection.hpp"
#include "maskbus/detail/conversation.hpp"

namespace maskbus::detail {

/// Runs any number of conversations at once, on a thread of its own and over one connection; answers are told apart by
/// their ids. A connection that was given up by one conversation is replaced for all that come, and closed once nobody
/// waits for an answer over it any more.
class Pipeline {
public:
    using Finish = std::function<void(Arrival)>;

    [[nodiscard]] static Result<std::shared_ptr<Pipeline>> start(Context context, Peer& peer,
                                                                 std::optional<Keys> keys) {
        Result<std::unique_ptr<Bell>> bell = Bell::make(context);
        if (!bell) {
            return std::move(bell).error();
        }
        std::shared_ptr<Pipeline> pipeline(new Pipeline(std::move(context), peer, std::move(keys), *std::move(bell)));
        try {
            pipeline->thread_ = std::thread([raw = pipeline.get()] { raw->run(); });
        } catch (const std::system_error& error) {
            return Error{codes::closed, std::string("No thread can be started: ") + error.what() + "."};
        }
        return pipeline;
    }

    ~Pipeline() {
        stop();
    }
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    /// Begin a conversation. `finish` gets its end on the pipeline's thread (or here, once that has been stopped).
    void submit(Request request, Milliseconds deadline, Finish finish) {
        auto call = std::make_unique<Call>(peer_, std::move(request), deadline, std::move(finish));
        std::unique_lock<std::mutex> lock(mutex_);
        if (stopping_) {
            lock.unlock();
            call->finish(closed());
            return;
        }
        arriving_.push_back(std::move(call));
        lock.unlock();
        bell_->ring();
    }

    /// End the thread; the conversations that are under way end with `closed`.
    void stop() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
        }
        bell_->ring();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    struct Call;
    struct SharedLink {
        explicit SharedLink(std::unique_ptr<Connection> opened) : connection(std::move(opened)) {}
        std::unique_ptr<Connection> connection;
        /// Id that an answer may have → who waits for it.
        std::map<std::string, Call*, std::less<>> inboxes;
        std::size_t users = 0;
    };
    using Timers = std::multimap<TimePoint, Call*>;

    struct Call {
        Call(Peer& peer, Request request, Milliseconds deadline, Finish done)
            : talk(peer, std::move(request), deadline, Clock::now()), finish(std::move(done)) {}
        Conversation talk;
        Finish finish;
        SharedLink* link = nullptr;
        std::vector<std::string> ids;
        std::optional<Timers::iterator> timer;
    };

    Pipeline(Context context, Peer& peer, std::optional<Keys> keys, std::unique_ptr<Bell> bell)
        : context_(std::move(context)), peer_(peer), keys_(std::move(keys)), bell_(std::move(bell)) {}

    static Error closed() {
        return {codes::closed, "The client was closed while a call waited."};
    }

    void run() {
        while (begin_arrived()) {
            wait();
            expire();
            links_.remove_if([this](const SharedLink& link) { return &link != current_ && link.users == 0; });
        }
        for (auto& [raw, call] : calls_) {
            call->finish(closed());
        }
        calls_.clear();
        links_.clear();
    }

    /// Begin what has been submitted; false once the thread is to end.
    bool begin_arrived() {
        bell_->hear();
        std::vector<std::unique_ptr<Call>> arrived;
        bool stopping = false;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            arrived.swap(arriving_);
            stopping = stopping_;
        }
        for (std::unique_ptr<Call>& call : arrived) {
            Call& raw = *call;
            calls_.emplace(&raw, std::move(call));
            if (!stopping) {
                pump(raw);
            }
        }
        return !stopping;
    }

    /// Wait for a message, the bell or the first timer, and read what has come.
    void wait() {
        std::vector<zmq_pollitem_t> items{{bell_->handle(), 0, ZMQ_POLLIN, 0}};
        std::vector<SharedLink*> links;
        for (SharedLink& link : links_) {
            items.push_back({link.connection->socket().handle(), 0, ZMQ_POLLIN, 0});
            links.push_back(&link);
        }
        const long timeout = timers_.empty() ? -1 : milliseconds_until(timers_.begin()->first, Clock::now());
        if (zmq_poll(items.data(), static_cast<int>(items.size()), timeout) <= 0) {
            return;
        }
        for (std::size_t index = 0; index < links.size(); ++index) {
            if ((items[index + 1].revents & ZMQ_POLLIN) != 0) {
                read(*links[index]);
            }
        }
    }

    /// Read what has come over a connection, but not for so long that nothing else gets its turn.
    void read(SharedLink& link) {
        Connection& connection = *link.connection;
        for (int count = 0; count < 64; ++count) {
            if (receive(connection.socket(), connection.frames, ZMQ_DONTWAIT) != Received::message) {
                return;
            }
            if (std::optional<Arrival> arrival = connection.read(connection.frames)) {
                deliver(link, *std::move(arrival));
            }
        }
    }

    void deliver(SharedLink& link, Arrival arrival) {
        if (arrival) {
            const auto found = link.inboxes.find(arrival->id());
            if (found != link.inboxes.end()) {
                hand_over(*found->second, std::move(arrival));
                return;
            }
            if (!arrival->id().empty()) {
                return;  // an answer nobody waits for any more
            }
        }
        std::vector<Call*> waiting;
        for (const auto& [id, call] : link.inboxes) {
            if (std::find(waiting.begin(), waiting.end(), call) == waiting.end()) {
                waiting.push_back(call);
            }
        }
        if (waiting.size() == 1) {
            hand_over(*waiting.front(), std::move(arrival));
            return;
        }
        // An error without an id is about one of these calls; nobody can say which.
        const Error garbage = arrival ? Error{codes::protocol, "an error without an id"} : arrival.error();
        for (Call* call : waiting) {
            hand_over(*call, garbage);
        }
    }

    void hand_over(Call& call, Arrival arrival) {
        call.talk.arrived(std::move(arrival), Clock::now());
        pump(call);
    }

    void expire() {
        const TimePoint now = Clock::now();
        while (!timers_.empty() && timers_.begin()->first <= now) {
            Call& call = *timers_.begin()->second;
            call.talk.silence(now);
            pump(call);
        }
    }

    /// Do what a conversation asks for, until it waits or is over.
    void pump(Call& call) {
        if (call.timer) {
            timers_.erase(*call.timer);
            call.timer.reset();
        }
        for (;;) {
            const Conversation::Step step = call.talk.next(Clock::now());
            switch (step.kind) {
                case Conversation::Kind::connect:
                    connect(call);
                    break;
                case Conversation::Kind::send:
                    send(call);
                    break;
                case Conversation::Kind::wait:
                    call.timer = timers_.emplace(step.until, &call);
                    return;
                case Conversation::Kind::done:
                    leave(call);
                    call.finish(call.talk.take());
                    calls_.erase(&call);
                    return;
            }
        }
    }

    void connect(Call& call) {
        if (current_ == nullptr || current_ == call.link) {
            Result<std::unique_ptr<Connection>> opened = Connection::open(context_, peer_.endpoint, keys_);
            if (!opened) {
                call.talk.abort(std::move(opened).error());
                return;
            }
            current_ = &links_.emplace_back(*std::move(opened));
        }
        leave(call);
        call.link = current_;
        ++call.link->users;
        call.talk.connected(*call.link->connection);
    }

    void send(Call& call) {
        const std::string& id = call.talk.outgoing_id();
        if (!id.empty() && call.link->inboxes.emplace(id, &call).second) {
            call.ids.push_back(id);
        }
        // Nothing is lent: what is sent from here owns its memory.
        detail::send(call.link->connection->socket(), call.talk.outgoing(), nullptr);
    }

    static void leave(Call& call) {
        if (call.link == nullptr) {
            return;
        }
        for (const std::string& id : call.ids) {
            call.link->inboxes.erase(id);
        }
        call.ids.clear();
        --call.link->users;
        call.link = nullptr;
    }

    Context context_;
    Peer& peer_;
    std::optional<Keys> keys_;
    std::unique_ptr<Bell> bell_;

    std::mutex mutex_;  // for these two
    std::vector<std::unique_ptr<Call>> arriving_;
    bool stopping_ = false;

    // Of the thread alone.
    std::unordered_map<Call*, std::unique_ptr<Call>> calls_;
    std::list<SharedLink> links_;
    SharedLink* current_ = nullptr;
    Timers timers_;

    std::thread thread_;
};

}  // namespace maskbus::detail
