#pragma once

#include <memory>

#include "maskbus/client.hpp"
#include "maskbus/detail/core.hpp"

namespace maskbus::detail {

/// Gives what stands behind a client to the parts of this library that ask more of the node than `Client` does.
struct ClientCore {
    /// Null for a client that has been moved elsewhere.
    [[nodiscard]] static const std::shared_ptr<Core>& of(const Client& client) noexcept {
        return client.core_;
    }
};

}  // namespace maskbus::detail
