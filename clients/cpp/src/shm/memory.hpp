#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/result.hpp"
#include "maskbus/shm/shared_memory.hpp"
#include "maskbus/shm/slot_table.hpp"

namespace maskbus::shm::detail {

/// What stands behind a `SharedMemory` and its images: the lease that is in use now.
class Memory {
public:
    Memory(const std::shared_ptr<maskbus::detail::Core>& core, SharedMemoryOptions options)
        : core_(core), options_(options) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    /// Gives the lease back, without waiting for that.
    ~Memory();

    [[nodiscard]] const SharedMemoryOptions& options() const noexcept {
        return options_;
    }
    [[nodiscard]] bool belongs_to(const maskbus::detail::Core& core) const noexcept {
        return core_.lock().get() == &core;
    }
    [[nodiscard]] std::shared_ptr<SlotTable> table() const;

    /// Have another lease than `known`: a new one, unless another call has got one since. One thread asks, and the
    /// others wait for it. Errors as `SharedMemory::lease`.
    [[nodiscard]] Result<std::shared_ptr<SlotTable>>
    renew(maskbus::detail::Core& core, const std::shared_ptr<SlotTable>& known, maskbus::detail::Milliseconds deadline);

private:
    [[nodiscard]] Result<std::shared_ptr<SlotTable>> ask(maskbus::detail::Core& core,
                                                         maskbus::detail::Milliseconds deadline) const;

    std::weak_ptr<maskbus::detail::Core> core_;
    SharedMemoryOptions options_;
    mutable std::mutex mutex_;  // for all that follows
    std::condition_variable changed_;
    bool asking_ = false;
    std::shared_ptr<SlotTable> table_;
};

}  // namespace maskbus::shm::detail
