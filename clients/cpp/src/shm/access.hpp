#pragma once

#include <memory>

#include "maskbus/detail/client_core.hpp"
#include "maskbus/shm/shared_image.hpp"
#include "memory.hpp"

namespace maskbus::shm::detail {

/// Gives what stands behind an image.
struct Access {
    static const std::shared_ptr<Memory>& memory(const SharedImage& image) {
        return image.memory_;
    }
    static const std::shared_ptr<SlotLoan>& loan(const SharedImage& image) {
        return image.loan_;
    }
    /// Whether an image is in memory that was leased through a client.
    static bool belongs_to(const SharedImage& image, const maskbus::detail::Core& core) {
        return image.loan_ != nullptr && image.memory_->belongs_to(core);
    }
};

}  // namespace maskbus::shm::detail
