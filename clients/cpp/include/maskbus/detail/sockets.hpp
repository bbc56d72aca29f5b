#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <zmq.hpp>

#include "maskbus/detail/endpoints.hpp"
#include "maskbus/keys.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

namespace maskbus::detail {

/// A context that lives as long as any socket of it: its end waits for them.
using Context = std::shared_ptr<zmq::context_t>;

/// A ZeroMQ socket and the context it needs. cppzmq throws where libzmq fails; here it is all return codes.
class Socket {
public:
    Socket(Socket&&) = default;
    Socket& operator=(Socket&&) = delete;  // it would let go of the context before the handle
    ~Socket() = default;

    [[nodiscard]] static Result<Socket> open(Context context, int kind) {
        void* handle = context == nullptr ? nullptr : zmq_socket(context->handle(), kind);
        if (handle == nullptr) {
            return Error{codes::closed, std::string("No connection can be opened: ") + zmq_strerror(zmq_errno()) + "."};
        }
        Socket socket(std::move(context), handle);
        socket.set(ZMQ_LINGER, 0);
        return socket;
    }

    [[nodiscard]] void* handle() const noexcept {
        return handle_.get();
    }

    bool set(int option, int value) noexcept {
        return zmq_setsockopt(handle(), option, &value, sizeof value) == 0;
    }
    bool set(int option, const std::string& value) noexcept {
        return zmq_setsockopt(handle(), option, value.data(), value.size()) == 0;
    }

    [[nodiscard]] bool more() const noexcept {
        int more = 0;
        std::size_t size = sizeof more;
        return zmq_getsockopt(handle(), ZMQ_RCVMORE, &more, &size) == 0 && more != 0;
    }

private:
    Socket(Context context, void* handle) : context_(std::move(context)), handle_(handle) {}

    struct Close {
        void operator()(void* handle) const noexcept {
            zmq_close(handle);
        }
    };

    Context context_;  // before the handle: it goes after it
    std::unique_ptr<void, Close> handle_;
};

inline Context new_context() {
    try {
        return std::make_shared<zmq::context_t>();
    } catch (const zmq::error_t&) {
        return nullptr;
    }
}

inline bool set_keys(Socket& socket, const std::optional<Keys>& keys) noexcept {
    return !keys ||
           (socket.set(ZMQ_CURVE_SERVERKEY, keys->server) && socket.set(ZMQ_CURVE_PUBLICKEY, keys->public_key) &&
            socket.set(ZMQ_CURVE_SECRETKEY, keys->secret_key));
}

/// Find out whether keys are some, before the first call needs them.
inline Result<void> check_keys(const Context& context, const std::optional<Keys>& keys) {
    if (!keys) {
        return {};
    }
    const bool lengths = keys->server.size() == z85_length && keys->public_key.size() == z85_length &&
                         keys->secret_key.size() == z85_length;
    Result<Socket> probe = Socket::open(context, ZMQ_DEALER);
    if (!probe) {
        return std::move(probe).error();
    }
    if (!lengths || !set_keys(*probe, keys)) {
        return Error{codes::invalid_argument,
                     zmq_has("curve") == 0 ? "The ZeroMQ library here was built without CURVE."
                                           : "A CURVE key is 40 characters of Z85 text; one of those given is not.",
                     "keys"};
    }
    return {};
}

/// How many messages a socket queues each way; 0: any number.
struct HighWater {
    int sent = 0;
    int received = 0;
};

/// Return a connected socket.
inline Result<Socket> connect_socket(Context context, int kind, const std::string& endpoint, HighWater high_water,
                                     const std::optional<Keys>& keys) {
    Result<Socket> opened = Socket::open(std::move(context), kind);
    if (!opened) {
        return opened;
    }
    Socket& socket = *opened;
    socket.set(ZMQ_SNDHWM, high_water.sent);
    socket.set(ZMQ_RCVHWM, high_water.received);
    const auto most = static_cast<std::int64_t>(reply_limits.frame_bytes);
    zmq_setsockopt(socket.handle(), ZMQ_MAXMSGSIZE, &most, sizeof most);
    if (begins_with(endpoint, "tcp://")) {
        // A machine that vanished without a word would otherwise never be noticed, nor connected to again.
        socket.set(ZMQ_IPV6, 1);
        socket.set(ZMQ_HEARTBEAT_IVL, 5'000);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 15'000);
    }
    if (!set_keys(socket, keys) || zmq_connect(socket.handle(), endpoint.c_str()) != 0) {
        return Error{codes::invalid_argument,
                     "No connection to " + endpoint + " can be made: " + zmq_strerror(zmq_errno()) + ".", "endpoint"};
    }
    return opened;
}

}  // namespace maskbus::detail
