#include "maskbus/shm/bell.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/sockets.hpp"
#include "maskbus/shm/layout.hpp"

namespace maskbus::shm {
namespace {

constexpr std::size_t token_bytes = 16;
constexpr std::size_t ring_bytes = token_bytes + 8;
/// Where the end of a process cannot be waited for together with a socket, it is looked for so often.
constexpr long slice = 10;  // milliseconds

class SocketBell : public ChildBell {
public:
    SocketBell(maskbus::detail::Socket socket, const std::array<std::uint8_t, 16>& token)
        : socket_(std::move(socket)), token_(token) {}

    void ring(std::uint64_t generation) override {
        std::array<std::uint8_t, ring_bytes> frame{};
        std::memcpy(frame.data(), token_.data(), token_bytes);
        detail::write_little(frame.data() + token_bytes, generation);
        zmq_send(socket_.handle(), frame.data(), frame.size(), ZMQ_DONTWAIT);
    }

    Heard wait(Process& process, TimePoint until) override {
        while (true) {
            if (const std::optional<std::uint64_t> generation = take()) {
                return {Heard::What::rung, generation};
            }
            if (process.has_ended()) {
                // It may have answered just before.
                const std::optional<std::uint64_t> last = take();
                return {last ? Heard::What::rung : Heard::What::ended, last};
            }
            const long left = maskbus::detail::milliseconds_until(until, maskbus::detail::Clock::now());
            if (left == 0) {
                return {};
            }
            zmq_pollitem_t items[2] = {};
            items[0].socket = socket_.handle();
            items[0].events = items[1].events = ZMQ_POLLIN;
#if !defined(_WIN32)
            if (process.output() >= 0) {
                items[1].fd = process.output();
                zmq_poll(items, 2, left);
                continue;
            }
#endif
            zmq_poll(items, 1, std::min(left, slice));
        }
    }

private:
    /// Return the next ring that is waiting; none where there is none.
    std::optional<std::uint64_t> take() {
        std::array<std::uint8_t, ring_bytes + 1> frame{};
        int size = 0;
        while ((size = zmq_recv(socket_.handle(), frame.data(), frame.size(), ZMQ_DONTWAIT)) >= 0) {
            const bool alone = !socket_.more();
            while (socket_.more() && zmq_recv(socket_.handle(), nullptr, 0, ZMQ_DONTWAIT) >= 0) {
            }
            if (alone && static_cast<std::size_t>(size) == ring_bytes &&
                std::memcmp(frame.data(), token_.data(), token_bytes) == 0) {
                return detail::read_little<std::uint64_t>(frame.data() + token_bytes);
            }
        }
        return std::nullopt;
    }

    maskbus::detail::Socket socket_;
    std::array<std::uint8_t, 16> token_;
};

}  // namespace

Result<std::unique_ptr<ChildBell>> ChildBell::connect(const std::string& address,
                                                      const std::array<std::uint8_t, 16>& token) {
    constexpr const char* events = "events:";
    if (address.compare(0, std::strlen(events), events) == 0) {
        return detail::open_events_bell(address.substr(std::strlen(events)));
    }
    return detail::connect_socket_bell(address, token);
}

Result<std::unique_ptr<ChildBell>> detail::connect_socket_bell(const std::string& address,
                                                               const std::array<std::uint8_t, 16>& token) {
    auto socket = maskbus::detail::Socket::open(maskbus::detail::new_context(), ZMQ_DEALER);
    if (!socket) {
        return std::move(socket).error();
    }
    if (zmq_connect(socket->handle(), address.c_str()) != 0) {
        return Error{codes::protocol,
                     "The child's bell " + address + " cannot be reached: " + zmq_strerror(zmq_errno()) + "."};
    }
    return std::unique_ptr<ChildBell>(std::make_unique<SocketBell>(*std::move(socket), token));
}

#if !defined(_WIN32)
Result<std::unique_ptr<ChildBell>> detail::open_events_bell(const std::string& name) {
    return Error{codes::protocol, "The child's bell is the events " + name + ", which are there on Windows only."};
}
#endif

}  // namespace maskbus::shm
