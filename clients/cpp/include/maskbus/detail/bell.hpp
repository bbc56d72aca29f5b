#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "maskbus/detail/sockets.hpp"

namespace maskbus::detail {

/// Wakes a thread that waits for sockets: one more socket to wait for, which any other thread can make readable.
class Bell {
public:
    [[nodiscard]] static Result<std::unique_ptr<Bell>> make(const Context& context) {
        static std::atomic<std::uint64_t> count{0};
        const std::string name = "inproc://maskbus-bell-" + std::to_string(count.fetch_add(1));
        Result<Socket> inside = Socket::open(context, ZMQ_PAIR);
        Result<Socket> outside = Socket::open(context, ZMQ_PAIR);
        if (!inside || !outside) {
            return std::move(inside ? outside : inside).error();
        }
        if (zmq_bind(inside->handle(), name.c_str()) != 0 || zmq_connect(outside->handle(), name.c_str()) != 0) {
            return Error{codes::closed, std::string("No wake-up can be made: ") + zmq_strerror(zmq_errno()) + "."};
        }
        return std::unique_ptr<Bell>(new Bell(*std::move(inside), *std::move(outside)));
    }

    /// Wake the waiting thread, now or when it waits next. Any thread may.
    void ring() noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!rung_) {
            rung_ = zmq_send(outside_.handle(), "", 0, ZMQ_DONTWAIT) == 0;
        }
    }

    /// What to wait for.
    [[nodiscard]] void* handle() const noexcept {
        return inside_.handle();
    }

    /// Take notice, before looking at what the bell was rung for. The waiting thread alone may.
    void hear() noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        while (zmq_recv(inside_.handle(), nullptr, 0, ZMQ_DONTWAIT) >= 0) {
        }
        rung_ = false;
    }

private:
    Bell(Socket inside, Socket outside) : inside_(std::move(inside)), outside_(std::move(outside)) {}

    std::mutex mutex_;
    Socket inside_;
    Socket outside_;
    bool rung_ = false;
};

}  // namespace maskbus::detail
