#pragma once

#include <array>
#include <cstddef>
#include <fstream>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <zmq.h>

#include "maskbus/detail/endpoints.hpp"
#include "maskbus/result.hpp"

namespace maskbus {

/// CURVE keys (ZeroMQ RFC 26): every message is encrypted, the node is known by its public key, and clients by theirs
/// where the node keeps a list of them. All three are Z85 text of 40 characters.
struct Keys {
    /// The node's public key.
    std::string server;
    /// The client's own pair.
    std::string public_key;
    std::string secret_key;

    /// Read keys from the files that `maskbus keys` writes.
    ///
    /// `server` is the node's public key: the file, or its 40 characters. `client` is the file with the client's secret
    /// key; empty: a fresh pair, for a node that keeps no list of clients.
    /// Error `invalid_argument` if a file cannot be read or holds no such key.
    [[nodiscard]] static Result<Keys> load(const std::string& server, const std::string& client = {});
};

namespace detail {

/// Environment variable: the node's public key, 40 characters, or the file that holds it.
inline constexpr const char* server_key_variable = "MASKBUS_SERVER_KEY";
/// Environment variable: the file that holds the client's own secret key.
inline constexpr const char* client_key_variable = "MASKBUS_CLIENT_KEY";

inline constexpr std::size_t z85_length = 40;

inline std::string without(std::string_view text, std::string_view characters) {
    const std::size_t first = text.find_first_not_of(characters);
    if (first == std::string_view::npos) {
        return {};
    }
    return std::string(text.substr(first, text.find_last_not_of(characters) - first + 1));
}

/// Read the pair of keys in a file of ZeroMQ's certificate format; either may be missing.
inline std::pair<std::string, std::string> read_certificate(std::istream& file) {
    std::pair<std::string, std::string> keys;
    for (std::string line; std::getline(file, line);) {
        const std::string text = without(line, " \t\r");
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos) {
            continue;
        }
        if (begins_with(text, "public-key")) {
            keys.first = without(std::string_view(text).substr(equals + 1), " \t'\"");
        } else if (begins_with(text, "secret-key")) {
            keys.second = without(std::string_view(text).substr(equals + 1), " \t'\"");
        }
    }
    return keys;
}

inline Result<std::pair<std::string, std::string>> load_certificate(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return Error{codes::invalid_argument, "The key file " + path + " cannot be read.", "keys"};
    }
    std::pair<std::string, std::string> keys = read_certificate(file);
    if (keys.first.empty()) {
        return Error{codes::invalid_argument, path + " holds no CURVE key.", "keys"};
    }
    return keys;
}

/// Return the keys to use: those given, else the environment's, else none.
inline Result<std::optional<Keys>> resolve_keys(std::optional<Keys> keys) {
    const std::string server = environment(server_key_variable);
    if (keys || server.empty()) {
        return keys;
    }
    Result<Keys> loaded = Keys::load(server, environment(client_key_variable));
    if (!loaded) {
        return std::move(loaded).error();
    }
    return std::optional<Keys>(*std::move(loaded));
}

}  // namespace detail

inline Result<Keys> Keys::load(const std::string& server, const std::string& client) {
    Keys keys{server, {}, {}};
    if (server.size() != detail::z85_length || std::ifstream(server)) {
        auto read = detail::load_certificate(server);
        if (!read) {
            return std::move(read).error();
        }
        keys.server = read->first;
    }
    if (client.empty()) {
        std::array<char, detail::z85_length + 1> public_text{};
        std::array<char, detail::z85_length + 1> secret_text{};
        if (zmq_curve_keypair(public_text.data(), secret_text.data()) != 0) {
            return Error{codes::invalid_argument, "The ZeroMQ library here was built without CURVE.", "keys"};
        }
        keys.public_key = public_text.data();
        keys.secret_key = secret_text.data();
        return keys;
    }
    auto read = detail::load_certificate(client);
    if (!read) {
        return std::move(read).error();
    }
    if (read->second.empty()) {
        return Error{codes::invalid_argument, client + " holds no secret key.", "keys"};
    }
    keys.public_key = read->first;
    keys.secret_key = read->second;
    return keys;
}

}  // namespace maskbus
