#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "maskbus/keys.hpp"

namespace maskbus {

/// How a client finds its node, and how patient it is. An aggregate: C++20 may name the fields.
struct ClientOptions {
    /// `tcp://host:port` or `ipc://path`; empty: the environment's MASKBUS_ENDPOINT, else tcp://127.0.0.1:7710.
    std::string endpoint = {};
    /// How long a call may take, all tries together, where it does not say otherwise; at most an hour. Left out: 30
    /// seconds, and ten minutes for `everything`.
    std::optional<std::chrono::milliseconds> deadline = std::nullopt;
    /// How long a node that has never been heard may be silent before it counts as unreachable.
    std::chrono::milliseconds connect_timeout{5'000};
    /// How often a request is sent again: after a lost reply, a restart of the node, or a code that is `retryable`.
    int retries = 2;
    /// CURVE keys, for a node that has them; left out: those that the environment's MASKBUS_SERVER_KEY and
    /// MASKBUS_CLIENT_KEY name, if any.
    std::optional<Keys> keys = std::nullopt;
};

}  // namespace maskbus
