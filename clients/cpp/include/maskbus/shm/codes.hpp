#pragma once

#include "maskbus/error.hpp"

namespace maskbus::codes {

/// All slots are in use: by images that are still held, by masks that are still looked at, or by the node. A later try
/// may find one; so does a lease with more slots. The client's own, like the next.
inline constexpr const char* no_free_slot = "no_free_slot";
/// The node reads the slot: it cannot be written to now.
inline constexpr const char* slot_in_use = "slot_in_use";

}  // namespace maskbus::codes
