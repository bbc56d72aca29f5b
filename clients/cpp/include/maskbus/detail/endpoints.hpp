#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zmq.h>

#include "maskbus/result.hpp"

namespace maskbus::detail {

/// Where a node listens when nobody says otherwise.
inline constexpr const char* default_endpoint = "tcp://127.0.0.1:7710";
/// Environment variable that says otherwise.
inline constexpr const char* endpoint_variable = "MASKBUS_ENDPOINT";

/// Return an environment variable's value; empty where it is not set.
inline std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

inline bool begins_with(std::string_view text, std::string_view beginning) {
    return text.substr(0, beginning.size()) == beginning;
}

/// An endpoint in its parts: `tcp`, `127.0.0.1`, `7710`. All but tcp have no port.
struct EndpointParts {
    std::string_view scheme;
    std::string_view host;
    std::string_view port;
};

inline EndpointParts split_endpoint(std::string_view endpoint) {
    const std::size_t separator = endpoint.find("://");
    if (separator == std::string_view::npos) {
        return {};
    }
    const std::string_view scheme = endpoint.substr(0, separator);
    const std::string_view address = endpoint.substr(separator + 3);
    const std::size_t colon = address.rfind(':');
    if (scheme != "tcp" || colon == std::string_view::npos) {
        return {scheme, address, {}};
    }
    return {scheme, address.substr(0, colon), address.substr(colon + 1)};
}

inline bool is_port(std::string_view text) {
    if (text.empty() || text.size() > 5) {
        return false;
    }
    int number = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') {
            return false;
        }
        number = number * 10 + (digit - '0');
    }
    return 0 < number && number < 65536;
}

/// Check that an endpoint is one a client can connect to.
inline Result<void> check_endpoint(const std::string& endpoint) {
    const EndpointParts parts = split_endpoint(endpoint);
    const bool tcp = parts.scheme == "tcp" && !parts.host.empty() && is_port(parts.port);
    const bool ipc = parts.scheme == "ipc" && !parts.host.empty();
    // An end of text in the middle would have libzmq connect to something else than what was checked.
    if ((!tcp && !ipc) || endpoint.find('\0') != std::string::npos) {
        return Error{codes::invalid_argument, "An endpoint is tcp://host:port or ipc://path, not \"" + endpoint + "\".",
                     "endpoint"};
    }
    if (ipc && zmq_has("ipc") == 0) {
        return Error{codes::invalid_argument, "The ZeroMQ library here has no ipc endpoints: use tcp.", "endpoint"};
    }
    return {};
}

/// Return the endpoint to use: the one given, else the environment's, else the default.
inline Result<std::string> resolve_endpoint(std::string endpoint) {
    if (endpoint.empty()) {
        endpoint = environment(endpoint_variable);
    }
    if (endpoint.empty()) {
        endpoint = default_endpoint;
    }
    if (Result<void> sound = check_endpoint(endpoint); !sound) {
        return std::move(sound).error();
    }
    return endpoint;
}

/// Return where to subscribe, of the endpoints that the node at `request` announces.
///
/// It is one of the same scheme. A tcp host that is a wildcard becomes the host the requests go to, and where several
/// are announced, that host's own goes first. Error `unreachable` if none is of this scheme.
inline Result<std::string> choose_publish(const std::string& request, const std::vector<std::string>& announced) {
    const EndpointParts own = split_endpoint(request);
    std::string chosen;
    for (const std::string& endpoint : announced) {
        const EndpointParts parts = split_endpoint(endpoint);
        if (parts.scheme != own.scheme) {
            continue;
        }
        const bool wildcard =
            parts.host == "*" || parts.host == "0.0.0.0" || parts.host == "[::]" || parts.host == "::";
        if (own.scheme == "tcp" && (wildcard || parts.host == own.host)) {
            return "tcp://" + std::string(own.host) + ":" + std::string(parts.port);
        }
        if (chosen.empty()) {
            chosen = endpoint;
        }
    }
    if (!chosen.empty()) {
        return chosen;
    }
    std::string listed;
    for (const std::string& endpoint : announced) {
        listed += (listed.empty() ? "" : ", ") + endpoint;
    }
    return Error{codes::unreachable, "The node at " + request + " announces no " + std::string(own.scheme) +
                                         " endpoint for topics (it announces: " + (listed.empty() ? "none" : listed) +
                                         ")."};
}

}  // namespace maskbus::detail
