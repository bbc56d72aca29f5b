#pragma once

#include <algorithm>
#include <cstdint>

#include "maskbus/stream_replies.hpp"

namespace maskbus::detail {

/// How many frames of a stream with the policy `every` have been sent, and how many may have been. No socket.
class Credit {
public:
    /// The stream has been opened, and nothing been sent since.
    void open(std::int64_t limit) noexcept {
        sent_ = 0;
        limit_ = limit;
    }
    [[nodiscard]] bool left() const noexcept {
        return sent_ < limit_;
    }
    void spend() noexcept {
        ++sent_;
        ++sent_since_asked_;
    }
    void raise(std::int64_t limit) noexcept {
        limit_ = std::max(limit_, limit);
    }
    /// Whether all frames are done with, where so many may be with the node at a time.
    [[nodiscard]] bool is_whole(std::int64_t max_waiting) const noexcept {
        return limit_ >= sent_ + max_waiting;
    }

    /// The node is being asked how the stream is doing.
    void ask() noexcept {
        sent_since_asked_ = 0;
    }
    /// Go by what it says. The answer comes after all that was sent before, over one connection, so its numbers are the
    /// right ones: what they lack was lost with another connection.
    void told(const StreamInfo& info, std::int64_t max_waiting) noexcept {
        sent_ = info.counts.received + sent_since_asked_;
        limit_ = info.counts.received - info.under_way + max_waiting;
    }

private:
    std::int64_t sent_ = 0;
    std::int64_t limit_ = 0;
    std::int64_t sent_since_asked_ = 0;
};

}  // namespace maskbus::detail
