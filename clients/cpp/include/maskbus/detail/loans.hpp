#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

#include "maskbus/detail/clock.hpp"

namespace maskbus::detail {

/// Counts the messages through which libzmq still reads memory that belongs to the caller.
///
/// libzmq's I/O thread reads a message that was made without a copy until it calls the message's free function, which
/// may be long after the call that sent it has given up. Whoever lent the memory waits here before giving it back.
class Loans {
public:
    void lend() {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++count_;
    }

    void give_back() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (--count_ == 0) {
            settled_.notify_all();
        }
    }

    /// Wait until nothing is lent; false if that took longer than until the given moment.
    bool wait_until(TimePoint moment) {
        std::unique_lock<std::mutex> lock(mutex_);
        return settled_.wait_until(lock, moment, [this] { return count_ == 0; });
    }

    /// Wait until nothing is lent, however long that takes. To be called with the sockets closed that were lent to.
    void wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        settled_.wait(lock, [this] { return count_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable settled_;
    std::size_t count_ = 0;
};

}  // namespace maskbus::detail
