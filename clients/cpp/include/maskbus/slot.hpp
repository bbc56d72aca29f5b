#pragma once

#include <cstdint>
#include <string>

namespace maskbus {

/// A slot of shared memory that the node has leased to this client.
struct Slot {
    /// Name of the lease.
    std::string lease;
    /// Number of the slot; the first is 0.
    std::int64_t index = 0;
    /// The slot's generation, as its table entry says.
    std::int64_t generation = 0;
};

}  // namespace maskbus
