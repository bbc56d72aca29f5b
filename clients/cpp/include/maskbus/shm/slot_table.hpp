#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/result.hpp"
#include "maskbus/shm/mapping.hpp"
#include "maskbus/slot.hpp"

namespace maskbus::shm::detail {

/// The slots of one lease, and which of them are in use in this process. Any number of threads may use one.
///
/// Whose a slot is between the two processes stands in its entry. Here stands which of the client's own have been
/// handed out: to an image that somebody fills, to an answer that is due, to masks that somebody looks at.
class SlotTable : public std::enable_shared_from_this<SlotTable> {
public:
    SlotTable(std::string lease, Mapping mapping)
        : lease_(std::move(lease)), mapping_(std::move(mapping)), slots_(mapping_.header().slots) {}

    /// Name of the lease.
    [[nodiscard]] const std::string& lease() const noexcept {
        return lease_;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return slots_.size();
    }
    [[nodiscard]] std::size_t slot_bytes() const noexcept {
        return static_cast<std::size_t>(mapping_.header().slot_bytes);
    }
    [[nodiscard]] std::uint8_t* data(std::size_t index) const noexcept {
        return mapping_.slot(index);
    }
    [[nodiscard]] SlotEntry entry(std::size_t index) const noexcept {
        return mapping_.entry(index);
    }

    /// Remember that the node knows nothing of the lease (any more).
    void mark_lost() noexcept {
        lost_ = true;
    }
    [[nodiscard]] bool is_lost() const noexcept {
        return lost_;
    }

    /// Hand out the next slot, in turn, that nobody uses here and that the node does not have; none where there is
    /// none.
    [[nodiscard]] std::optional<std::size_t> take();

    /// Hand out a slot for an answer: as `take`, and its entry is free.
    [[nodiscard]] std::optional<std::size_t> take_free();

    /// Take a slot back that nobody will touch any more; it is free then, unless the node has it.
    void put_back(std::size_t index);

    /// Take a slot back that a request names which may still be under way: the slot rests until that has arrived.
    void abandon(std::size_t index);

    /// Return the answer that the node has put into slot `index`; the slot is put back when the bytes are gone.
    ///
    /// The slot has been handed out; with an error it still is. Error `protocol`: what is in the slot is not the answer
    /// that was announced as `named`, or not whole.
    [[nodiscard]] Result<Bytes> answer(std::size_t index, const Slot& named);

private:
    using Clock = std::chrono::steady_clock;
    struct Use {
        bool lent = false;
        /// Not to be handed out before.
        Clock::time_point rests_until{};
    };

    std::string lease_;
    Mapping mapping_;
    std::atomic<bool> lost_{false};
    std::mutex mutex_;  // for all that follows
    std::vector<Use> slots_;
};

}  // namespace maskbus::shm::detail
