#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "maskbus/result.hpp"

namespace maskbus::detail {

/// Frames that the node has been asked to tell of: who waits for that. No socket.
class PendingFrames {
public:
    /// Is told once what the node says of a frame: that it has it, or what is wrong; `closed` where nobody will tell.
    using Taken = std::function<void(const Result<void>&)>;

    PendingFrames() = default;
    PendingFrames(const PendingFrames&) = delete;
    PendingFrames& operator=(const PendingFrames&) = delete;
    ~PendingFrames() {
        end();
    }

    /// `opening`: how often the stream was to be opened again before the frame was sent.
    void add(std::string id, Taken taken, std::uint64_t opening) {
        frames_.push_back({std::move(id), std::move(taken), opening});
    }

    /// The node has said something about a frame. It speaks of them in their order: those before were lost.
    void told(std::string_view id, const Result<void>& news) {
        const auto found =
            std::find_if(frames_.begin(), frames_.end(), [id](const Frame& frame) { return frame.id == id; });
        if (found == frames_.end()) {
            return;
        }
        const Taken taken = std::move(found->taken);
        give_up(found);
        frames_.erase(frames_.begin());
        taken(news);
    }

    /// The stream has been opened again, for that time: the answers to what was sent before have come, or never will.
    void opened(std::uint64_t opening) {
        give_up(std::find_if(frames_.begin(), frames_.end(),
                             [opening](const Frame& frame) { return frame.opening >= opening; }));
    }

    /// Nothing will come any more.
    void end() {
        give_up(frames_.end());
    }

private:
    struct Frame {
        std::string id;
        Taken taken;
        std::uint64_t opening;
    };

    void give_up(std::vector<Frame>::iterator until) {
        const std::vector<Frame> lost(std::make_move_iterator(frames_.begin()), std::make_move_iterator(until));
        frames_.erase(frames_.begin(), until);
        for (const Frame& frame : lost) {
            frame.taken(Error{codes::closed, "The node said nothing of the frame."});
        }
    }

    std::vector<Frame> frames_;
};

}  // namespace maskbus::detail
