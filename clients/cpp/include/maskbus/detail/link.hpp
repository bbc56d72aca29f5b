#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/detail/multipart.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// What has come over a connection: a message whose header could be read, or why that could not be.
using Arrival = Result<wire::Opened>;

/// Knows which run of the node is at the other end of a connection. No socket.
///
/// The first message over a connection is a ping, sent ahead of the first request and not waited for. Its answer names
/// the run of the node; a later answer with another name means that the node was restarted and lost what it had.
class Link {
public:
    /// Whether the greeting has been sent.
    [[nodiscard]] bool greeted() const noexcept {
        return !greeting_.empty();
    }
    /// Return the greeting.
    Result<wire::Message> greet(std::string id) {
        greeting_ = std::move(id);
        return wire::ping(greeting_);
    }
    /// Random name of the node's run; empty until the greeting has been answered.
    [[nodiscard]] const std::string& run() const noexcept {
        return run_;
    }
    /// How many readable messages have come.
    [[nodiscard]] std::uint64_t received() const noexcept {
        return received_;
    }

    /// Read a message as it came from the socket: the empty delimiter, the header, the attachments. Nothing where it
    /// was only the answer to the greeting.
    std::optional<Arrival> read(std::vector<zmq::message_t>& frames) {
        if (frames.size() < 2 || !frames[0].empty()) {
            return garbage("no empty delimiter and header at its beginning");
        }
        if (frames.size() - 2 > reply_limits.attachments) {
            return garbage("more than " + std::to_string(reply_limits.attachments) + " attachments");
        }
        std::vector<Bytes> attachments;
        attachments.reserve(frames.size() - 2);
        for (std::size_t index = 2; index < frames.size(); ++index) {
            attachments.push_back(to_bytes(std::move(frames[index])));
        }
        Arrival opened = wire::open(to_bytes(std::move(frames[1])), std::move(attachments));
        if (!opened) {
            return opened;
        }
        ++received_;
        if (!greeting_.empty() && opened->id() == greeting_) {
            if (Result<Pong> pong = wire::pong(*opened); pong) {
                run_ = std::move(pong->node);
            }
            return std::nullopt;
        }
        return opened;
    }

private:
    static Arrival garbage(std::string reason) {
        return Error{codes::protocol, std::move(reason)};
    }

    std::string greeting_;
    std::string run_;
    std::uint64_t received_ = 0;
};

}  // namespace maskbus::detail
