#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/link.hpp"
#include "maskbus/detail/peer.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// Writes a request, given its id and how many milliseconds are left for it.
using Encoder = std::function<Result<wire::Message>(const std::string&, std::int64_t)>;

/// Is called with each `progress` of a request. An error that it returns ends the conversation, and so does what it
/// throws.
using Listener = std::function<std::optional<Error>(const wire::Opened&)>;

/// What is asked of the node, in as many tries as it takes.
struct Request {
    std::string id;
    Encoder encode;
    /// Whether a model is needed: such a request may take long, and is asked after rather than sent again.
    bool work = false;
    /// Whether it must not be sent twice.
    bool once = false;
    /// Who hears how far it is, if anybody does.
    Listener progress = {};
};

/// The rules by which one request becomes one answer: tries, probes, back-off, deadlines. No socket, no clock.
///
/// A call cannot hang: every wait ends at its deadline at the latest. What happens before that:
///
/// - No answer for a while (`patience`): the client asks, over the same connection, whether the node is there. If it
/// is,
///   and is the same run, the request is being worked on: it is waited for and NOT sent again. If the node does not
///   answer either, or is another run than the one that got the request, that goes out again over a fresh connection.
/// - The reply was lost though the node is well: once a third of the deadline has passed, the probe is `stats`. A node
///   that twice in a row has nothing queued and nothing running does not have the request either; it is sent again.
/// - `progress` of the request is as good as an answer to a probe: somebody works on it.
/// - A retryable code: the same request again after a short, jittered pause.
/// - Nobody there: a node this client has never heard of counts as unreachable after `connect_timeout`. One that has
///   answered before may be restarting and is given until the deadline, but no longer than `restart_timeout`: a call
///   that may take minutes is probed to its end.
///
/// All operations may be sent twice without harm, except `cancel`: its second answer would say that nothing was there
/// to cancel. It is sent once. All tries of a request have one id, so an answer to any of them is the answer.
///
/// Whoever runs a conversation asks for the `next` step, does it, and says what came of it: `connected` after
/// `connect`, `arrived` or `silence` after `wait`.
class Conversation {
public:
    enum class Kind {
        connect,  ///< Give me a connection; not the one I had, if I had one: I am finished with that.
        send,     ///< Send `outgoing`.
        wait,     ///< Wait for a message until `until`.
        done,     ///< There is an answer, or an error: `take` it.
    };
    struct Step {
        Kind kind = Kind::done;
        TimePoint until = {};
    };

    Conversation(Peer& peer, Request request, Milliseconds total, TimePoint now)
        : peer_(peer), request_(std::move(request)), total_(total), begin_(now), end_(now + total), last_heard_(now) {
        tries_ = request_.once ? 1 : 1 + std::max(0, peer.policy.retries);
        peer_.cancellations.begin(request_.id);
        encode(now);
        std::size_t size = 0;
        for (const Bytes& attachment : outgoing_.attachments) {
            size += attachment.size();
        }
        const Milliseconds upload(static_cast<std::int64_t>(size / peer.policy.upload_rate));
        patience_ = std::min(peer.policy.patience, total / 5) + std::min(upload, total / 4);
        probe_timeout_ = std::min(peer.policy.probe_timeout, total / 5);
        silence_ = peer.policy.restart_timeout + std::min(upload, total / 4);
        watches_ = request_.work && total > silence_;
    }
    ~Conversation() {
        peer_.cancellations.end(request_.id);
    }
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    /// Return what is to be done now.
    Step next(TimePoint now) {
        switch (state_) {
            case State::connect:
                return {Kind::connect, now};
            case State::greet:
                state_ = State::request;
                set_outgoing(link_->greet(peer_.ids.next()), "");
                break;
            case State::request:
                prepare_try(now);
                break;
            case State::probe:
                state_ = State::listen;
                break;
            case State::listen:
                return {Kind::wait, listen_until(now)};
            case State::rest:
                if (now < rest_until_) {
                    return {Kind::wait, rest_until_};
                }
                state_ = rest_over_ ? State::connect : State::request;
                return next(now);
            case State::done:
                break;
        }
        return {result_ ? Kind::done : Kind::send, now};
    }

    /// What is to be sent, and which id its answer will have; none where the answer is the link's own affair.
    [[nodiscard]] const wire::Message& outgoing() const noexcept {
        return outgoing_;
    }
    [[nodiscard]] const std::string& outgoing_id() const noexcept {
        return outgoing_id_;
    }

    /// Go on over this connection, which must live until another is given or the conversation is over.
    void connected(Link& link) {
        link_ = &link;
        received_ = link.received();
        last_received_ = received_;
        state_ = link.greeted() ? State::request : State::greet;
    }

    /// A message came that is for this conversation, or that cannot be told whom it is for.
    void arrived(Arrival arrival, TimePoint now) {
        if (state_ == State::rest) {
            if (arrival && is_answer(*arrival) && arrival->reply() != "error") {
                finish(std::move(arrival));
            }
            return;
        }
        if (state_ != State::listen) {
            return;
        }
        note(now);
        if (!arrival) {
            garbage_ = std::move(arrival).error().message;
        } else if (is_answer(*arrival)) {
            answer(std::move(arrival), now);
        } else if (arrival->id() == request_.id) {
            progressed(*arrival, now);
        } else if (!probe_.empty() && arrival->id() == probe_) {
            probe_answered(*arrival, now);
        }
        if (now >= end_) {
            silence(now);  // a peer that never stops talking does not hold the call up
        }
    }

    /// The wait is over, and nothing came.
    void silence(TimePoint now) {
        if (state_ != State::listen || check_time(now) || (tries_ == 0 && !watches_) || now < quiet_) {
            return;
        }
        if (!probe_.empty() || !request_.work) {
            if (check_garbage()) {
                return;
            }
            if (tries_ > 0) {
                state_ = State::connect;
                return;
            }
        }
        probe_ = peer_.ids.next();
        const bool late = now - begin_ > total_ / 3;
        set_outgoing(late ? wire::stats(probe_) : wire::ping(probe_), probe_);
        quiet_ = now + probe_timeout_;
        if (!result_) {
            state_ = State::probe;
        }
    }

    /// End it with an error of the transport's.
    void abort(Error error) {
        finish(std::move(error));
    }

    /// Whether an error came from the node, and not from here.
    [[nodiscard]] bool refused() const noexcept {
        return refused_;
    }
    /// The answer; it is an error where the node's is one.
    [[nodiscard]] Arrival take() {
        return std::move(*result_);
    }

private:
    enum class State { connect, greet, request, probe, listen, rest, done };

    void finish(Arrival result) {
        if (!result_) {
            result_.emplace(std::move(result));
            state_ = State::done;
        }
    }

    void set_outgoing(Result<wire::Message> message, const std::string& id) {
        if (!message) {
            finish(std::move(message).error());
            return;
        }
        outgoing_ = *std::move(message);
        outgoing_id_ = id;
    }

    void encode(TimePoint now) {
        const std::int64_t left = std::max<std::int64_t>(1, milliseconds_until(end_, now));
        set_outgoing(request_.encode(request_.id, std::min(left, request_limits.deadline_ms)), request_.id);
    }

    void prepare_try(TimePoint now) {
        if (peer_.cancellations.cancelled(request_.id) && sent_) {
            finish(Error{codes::cancelled, "The request was cancelled between two tries."});
            return;
        }
        if (sent_ || outgoing_id_ != request_.id) {
            encode(now);
        }
        sent_ = true;
        --tries_;
        quiet_ = now + patience_;
        probe_.clear();
        idle_ = 0;
        if (!result_) {
            state_ = State::listen;
        }
    }

    [[nodiscard]] TimePoint listen_until(TimePoint now) {
        note(now);
        TimePoint until = end_;
        if (tries_ > 0 || watches_) {
            until = std::min(until, quiet_);
        }
        if (!peer_.heard) {
            until = std::min(until, begin_ + peer_.policy.connect_timeout);
        }
        return until;
    }

    /// Notice that the node has been heard since the call began.
    void note(TimePoint now) {
        if (link_->received() != last_received_) {
            last_received_ = link_->received();
            last_heard_ = now;
        }
        if (link_->received() != received_) {
            heard_ = true;
            if (!peer_.heard) {
                peer_.heard = true;
            }
        }
    }

    [[nodiscard]] bool is_answer(const wire::Opened& arrival) const {
        if (arrival.id() == request_.id) {
            return arrival.reply() != "progress";
        }
        // A node that could not even read a request's id answers without one.
        return arrival.id().empty() && arrival.reply() == "error";
    }

    void progressed(const wire::Opened& arrival, TimePoint now) {
        probe_.clear();
        idle_ = 0;
        last_heard_ = now;
        quiet_ = now + patience_;
        if (request_.progress) {
            if (std::optional<Error> wrong = request_.progress(arrival)) {
                finish(*std::move(wrong));
            }
        }
    }

    void answer(Arrival arrival, TimePoint now) {
        if (arrival->reply() != "error") {
            finish(std::move(arrival));
            return;
        }
        Result<ErrorReply> reply = wire::error_reply(*arrival);
        if (!reply) {
            finish(std::move(reply).error());
            return;
        }
        Error error = reply->to_error();
        if (error.retryable() && tries_ > 0 && rest(error, now)) {
            return;
        }
        refused_ = true;
        finish(std::move(error));
    }

    /// Pause before the next try; false where the deadline comes first.
    bool rest(const Error& error, TimePoint now) {
        const int done = std::min(peer_.policy.retries - tries_, 20);
        std::random_device random;
        std::uniform_real_distribution<double> jitter(0.5, 1.5);
        const std::chrono::duration<double, std::milli> pause(static_cast<double>(peer_.policy.back_off.count()) *
                                                              static_cast<double>(1U << done) * jitter(random));
        const TimePoint until = now + std::chrono::ceil<Milliseconds>(pause);
        if (until >= end_) {
            return false;
        }
        rest_until_ = until;
        rest_over_ = error.code == codes::shutting_down;
        state_ = State::rest;
        return true;
    }

    void probe_answered(const wire::Opened& arrival, TimePoint now) {
        bool nothing_there = false;
        bool same_run = true;
        if (arrival.reply() == "stats") {
            if (const Result<Statistics> statistics = wire::statistics(arrival); statistics) {
                same_run = statistics->node == link_->run();
                nothing_there = has_nothing(*statistics);
            }
        } else if (const Result<Pong> pong = wire::pong(arrival); pong) {
            same_run = pong->node == link_->run();
        }
        idle_ = nothing_there ? idle_ + 1 : 0;
        probe_.clear();
        quiet_ = now + patience_;
        if (tries_ > 0 && (!same_run || idle_ == 2)) {
            state_ = State::connect;
        }
    }

    static bool has_nothing(const Statistics& statistics) {
        return std::none_of(statistics.models.begin(), statistics.models.end(), [](const ModelStatistics& model) {
            return model.running != 0 || std::any_of(model.queued.begin(), model.queued.end(),
                                                     [](const auto& lane) { return lane.second != 0; });
        });
    }

    bool check_garbage() {
        if (garbage_.empty() || heard_) {
            return false;
        }
        finish(Error{codes::protocol, "What answers at " + peer_.endpoint + " is no maskbus node: " + garbage_ + "."});
        return true;
    }

    /// End it if it is too late, or nobody is there, or somebody who talks nonsense; say whether it was.
    bool check_time(TimePoint now) {
        note(now);
        const bool over = now >= end_;
        if (!heard_ && (over || (!peer_.heard && now >= begin_ + peer_.policy.connect_timeout))) {
            if (!check_garbage()) {
                const auto waited = std::chrono::duration_cast<Milliseconds>(now - begin_).count();
                finish(Error{codes::unreachable,
                             "Nobody answered at " + peer_.endpoint + " within " + std::to_string(waited) +
                                 " ms. Start a node with `maskbus serve`, or name the right endpoint "
                                 "(as an option, or in MASKBUS_ENDPOINT)."});
            }
            return true;
        }
        if (watches_ && now >= last_heard_ + silence_) {
            const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - last_heard_).count();
            finish(Error{codes::unreachable, "The node at " + peer_.endpoint + " has been silent for " +
                                                 std::to_string(silent) +
                                                 " s: it has ended, or cannot be reached any more. Start it again "
                                                 "with `maskbus serve`."});
            return true;
        }
        if (over) {
            finish(Error{codes::deadline_exceeded,
                         "The node did not answer within " + std::to_string(total_.count()) + " ms."});
        }
        return over;
    }

    Peer& peer_;
    Request request_;
    Milliseconds total_;
    TimePoint begin_;
    TimePoint end_;
    int tries_;
    Milliseconds patience_{0};
    Milliseconds probe_timeout_{0};
    Milliseconds silence_{0};
    bool watches_ = false;  ///< Whether the node is probed even when the request may not be sent again.
    TimePoint last_heard_;
    std::uint64_t last_received_ = 0;

    State state_ = State::connect;
    Link* link_ = nullptr;
    std::uint64_t received_ = 0;
    wire::Message outgoing_;
    std::string outgoing_id_;
    bool sent_ = false;
    bool heard_ = false;
    TimePoint quiet_{};
    std::string probe_;
    int idle_ = 0;
    TimePoint rest_until_{};
    bool rest_over_ = false;
    std::string garbage_;
    bool refused_ = false;
    std::optional<Arrival> result_;
};

}  // namespace maskbus::detail
