#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/detail/link.hpp"
#include "maskbus/detail/multipart.hpp"
#include "maskbus/detail/sockets.hpp"

namespace maskbus::detail {

/// A DEALER to the node and what is known of its other end. One thread at a time uses it.
class Connection : public Link {
public:
    [[nodiscard]] static Result<std::unique_ptr<Connection>> open(Context context, const std::string& endpoint,
                                                                  const std::optional<Keys>& keys) {
        // What it queues is bounded by the calls under way, so it has no high-water mark.
        Result<Socket> socket = connect_socket(std::move(context), ZMQ_DEALER, endpoint, {}, keys);
        if (!socket) {
            return std::move(socket).error();
        }
        return std::make_unique<Connection>(*std::move(socket));
    }

    explicit Connection(Socket socket) : socket_(std::move(socket)) {}

    [[nodiscard]] const Socket& socket() const noexcept {
        return socket_;
    }

    /// Have the next `receive` give up after so long; the socket is only told where that changes.
    void patience(long milliseconds) noexcept {
        if (milliseconds != patience_ms_) {
            socket_.set(ZMQ_RCVTIMEO, static_cast<int>(milliseconds));
            patience_ms_ = milliseconds;
        }
    }

    /// Let what has been sent go out for a moment after the end, to a node that takes it.
    void linger(int milliseconds) noexcept {
        socket_.set(ZMQ_LINGER, milliseconds);
    }

    /// The frames of the message that is being read; here so that they need not be allocated for each.
    std::vector<zmq::message_t> frames;

private:
    Socket socket_;
    long patience_ms_ = -1;
};

}  // namespace maskbus::detail
