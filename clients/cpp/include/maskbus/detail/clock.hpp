#pragma once

#include <chrono>

namespace maskbus::detail {

/// The clock of all waits: it never goes back.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Milliseconds = std::chrono::milliseconds;

/// Whole milliseconds until a moment, rounded up so that a wait of so long does not end before it; 0 once it has come.
inline long milliseconds_until(TimePoint moment, TimePoint now) {
    if (moment <= now) {
        return 0;
    }
    return static_cast<long>(std::chrono::ceil<Milliseconds>(moment - now).count());
}

}  // namespace maskbus::detail
