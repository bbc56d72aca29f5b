#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/ids.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

namespace maskbus::detail {

/// How long to wait for what.
struct Policy {
    /// For a whole call, where the call names none.
    Milliseconds deadline{30'000};
    /// The same, for `everything`.
    Milliseconds everything_deadline{600'000};
    /// How often a request may be sent again.
    int retries = 2;
    /// How long a node that was never heard may be silent.
    Milliseconds connect_timeout{5'000};
    /// Silence after which the node is asked whether it is there; a fifth of the deadline if that is less.
    Milliseconds patience{1'000};
    /// How long it may take to answer that; a fifth of the deadline if that is less.
    Milliseconds probe_timeout{2'000};
    /// How long a node that was heard may be silent, asked or not, before it counts as gone.
    Milliseconds restart_timeout{30'000};
    /// First pause after a retryable error; doubled each time, and jittered by half.
    Milliseconds back_off{100};
    /// Bytes a millisecond that the slowest link is believed to carry: what is still under way is not lost.
    std::size_t upload_rate = 4'000;
};

/// The calls under way, and which of them have been cancelled from here. A call that is between two tries is known to
/// nobody else.
class Cancellations {
public:
    void begin(const std::string& id) {
        const std::lock_guard<std::mutex> lock(mutex_);
        cancelled_[id] = false;
    }
    void end(const std::string& id) {
        const std::lock_guard<std::mutex> lock(mutex_);
        cancelled_.erase(id);
    }
    void cancel(std::string_view id) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (const auto found = cancelled_.find(id); found != cancelled_.end()) {
            found->second = true;
        }
    }
    [[nodiscard]] bool cancelled(const std::string& id) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = cancelled_.find(id);
        return found != cancelled_.end() && found->second;
    }

private:
    std::mutex mutex_;
    std::map<std::string, bool, std::less<>> cancelled_;
};

/// What the calls of one client share.
struct Peer {
    Peer(std::string where, Policy how) : endpoint(std::move(where)), policy(how) {}

    std::string endpoint;
    Policy policy;
    Ids ids;
    Cancellations cancellations;
    /// Whether the node has ever answered this client.
    std::atomic<bool> heard{false};

    /// Return the deadline of a call: its own, or for 0 the client's. Error: `invalid_argument`.
    [[nodiscard]] Result<Milliseconds> deadline(Milliseconds wanted) const {
        return check_deadline(wanted.count() == 0 ? policy.deadline : wanted);
    }

    /// The same for `everything`.
    [[nodiscard]] Result<Milliseconds> everything_deadline(Milliseconds wanted) const {
        return check_deadline(wanted.count() == 0 ? policy.everything_deadline : wanted);
    }

    /// Check that the wire can carry a deadline.
    static Result<Milliseconds> check_deadline(Milliseconds deadline) {
        if (deadline.count() <= 0 || deadline.count() > request_limits.deadline_ms) {
            return Error{codes::invalid_argument,
                         "A deadline is more than 0 and at most " + std::to_string(request_limits.deadline_ms) +
                             " milliseconds, not " + std::to_string(deadline.count()) + ".",
                         "deadline"};
        }
        return deadline;
    }
};

}  // namespace maskbus::detail
