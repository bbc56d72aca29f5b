#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/bytes.hpp"
#include "maskbus/detail/loans.hpp"
#include "maskbus/detail/sockets.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// Bytes from which an attachment is handed over to libzmq instead of copied.
inline constexpr std::size_t large = std::size_t{64} * 1024;

/// What keeps the memory of a message alive until libzmq has let go of it.
struct Hold {
    std::shared_ptr<const void> owner;
    std::shared_ptr<Loans> loans;
    /// libzmq itself orders what the sender wrote before what its thread does with it, but tools that look for races
    /// see into this library only.
    std::atomic<bool> handed_over{false};

    static void release(void* /*data*/, void* hint) noexcept {
        const std::unique_ptr<Hold> hold(static_cast<Hold*>(hint));
        static_cast<void>(hold->handed_over.load(std::memory_order_acquire));
        if (hold->loans != nullptr) {
            hold->loans->give_back();
        }
    }
};

/// Make an attachment a message. Without a copy where it is large and either has an owner, which the message then
/// keeps, or may be lent, which is counted in `loans`.
inline zmq::message_t to_frame(const Bytes& bytes, const std::shared_ptr<Loans>& loans) {
    if (bytes.size() < large || (bytes.owner() == nullptr && loans == nullptr)) {
        return bytes.empty() ? zmq::message_t() : zmq::message_t(bytes.data(), bytes.size());
    }
    auto hold = std::make_unique<Hold>();
    hold->owner = bytes.owner();
    // libzmq wants to be given memory that may be written to, and does not write to it.
    zmq::message_t frame(const_cast<std::uint8_t*>(bytes.data()), bytes.size(), &Hold::release, hold.get());
    if (bytes.owner() == nullptr) {
        hold->loans = loans;
        loans->lend();
    }
    hold->handed_over.store(true, std::memory_order_release);
    static_cast<void>(hold.release());  // the message's now
    return frame;
}

/// Send a request without waiting; false where the connection takes none.
///
/// Large attachments without an owner are lent to libzmq and counted in `loans`; where that is null, they are copied.
inline bool send(const Socket& socket, const wire::Message& message, const std::shared_ptr<Loans>& loans) {
    constexpr int more = ZMQ_DONTWAIT | ZMQ_SNDMORE;
    const std::size_t count = message.attachments.size();
    if (zmq_send(socket.handle(), "", 0, more) < 0 ||
        zmq_send(socket.handle(), message.header.data(), message.header.size(), count == 0 ? ZMQ_DONTWAIT : more) < 0) {
        return false;
    }
    for (std::size_t index = 0; index < count; ++index) {
        zmq::message_t frame = to_frame(message.attachments[index], loans);
        if (zmq_msg_send(frame.handle(), socket.handle(), index + 1 == count ? ZMQ_DONTWAIT : more) < 0) {
            return false;
        }
    }
    return true;
}

/// What came of looking for a message.
enum class Received { message, nothing, interrupted, ended };

/// Receive one message, all its frames, or none. `flags` may be ZMQ_DONTWAIT; else the socket's own time-out counts.
inline Received receive(const Socket& socket, std::vector<zmq::message_t>& frames, int flags) {
    frames.clear();
    do {
        zmq::message_t frame;
        int size = zmq_msg_recv(frame.handle(), socket.handle(), frames.empty() ? flags : 0);
        // The rest of a message is there once its first frame is; only a signal can come between.
        while (size < 0 && !frames.empty() && zmq_errno() == EINTR) {
            size = zmq_msg_recv(frame.handle(), socket.handle(), 0);
        }
        if (size < 0) {
            frames.clear();
            const int problem = zmq_errno();
            return problem == EAGAIN ? Received::nothing : problem == EINTR ? Received::interrupted : Received::ended;
        }
        // One frame more than is looked at tells that there were too many.
        if (frames.size() < reply_limits.attachments + 3) {
            frames.push_back(std::move(frame));
        }
    } while (socket.more());
    return Received::message;
}

/// Return a frame as bytes that keep it.
inline Bytes to_bytes(zmq::message_t frame) {
    auto kept = std::make_shared<zmq::message_t>(std::move(frame));
    const void* data = kept->data();
    const std::size_t size = kept->size();
    return Bytes::with_owner(data, size, std::move(kept));
}

}  // namespace maskbus::detail
