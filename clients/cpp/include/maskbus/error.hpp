#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace maskbus {

/// Codes of `Error`: those of the wire (SPEC.md, section 14) that a caller may want to tell apart, and the client's
/// own. A node may send codes that are not here; they are passed on as they are.
namespace codes {

inline constexpr const char* malformed = "malformed";
inline constexpr const char* unsupported_version = "unsupported_version";
inline constexpr const char* unknown_operation = "unknown_operation";
inline constexpr const char* invalid_field = "invalid_field";
inline constexpr const char* invalid_value = "invalid_value";
inline constexpr const char* too_large = "too_large";
inline constexpr const char* invalid_image = "invalid_image";
inline constexpr const char* unknown_image = "unknown_image";
inline constexpr const char* image_expired = "image_expired";
inline constexpr const char* unknown_lease = "unknown_lease";
inline constexpr const char* unknown_stream = "unknown_stream";
inline constexpr const char* no_shared_memory = "no_shared_memory";
inline constexpr const char* unknown_model = "unknown_model";
inline constexpr const char* unknown_encoding = "unknown_encoding";
inline constexpr const char* unsupported_prompt = "unsupported_prompt";
inline constexpr const char* model_unavailable = "model_unavailable";
inline constexpr const char* busy = "busy";
inline constexpr const char* deadline_exceeded = "deadline_exceeded";
inline constexpr const char* cancelled = "cancelled";
inline constexpr const char* worker_died = "worker_died";
inline constexpr const char* out_of_memory = "out_of_memory";
inline constexpr const char* shutting_down = "shutting_down";
inline constexpr const char* internal = "internal";

/// Nobody answers at the endpoint. The client's own, like those that follow.
inline constexpr const char* unreachable = "unreachable";
/// What came is not what the wire allows.
inline constexpr const char* protocol = "protocol";
/// An argument that cannot be right.
inline constexpr const char* invalid_argument = "invalid_argument";
/// The client was closed, before the call or during it.
inline constexpr const char* closed = "closed";
/// The reply holds no mask, or none that this client makes pixels of.
inline constexpr const char* no_mask = "no_mask";

}  // namespace codes

/// A model of a route that has not answered, or not well enough.
struct Attempt {
    std::string model;
    /// One of `codes`, or a later one; `nothing_found`; or `left_out` where it has failed too often of late.
    std::string code;
    /// The same as a sentence for a person.
    std::string message;
    /// How long it was tried, in milliseconds.
    double ms = 0;
};

/// What went wrong.
struct Error {
    /// One of `codes`, or a later one of the node's.
    std::string code;
    /// One sentence for a person.
    std::string message;
    /// The field that is wrong, such as `prompt.points[3]`; empty where it is none.
    std::string path = {};
    /// With `busy`: how many requests wait for the model.
    std::optional<std::int64_t> queue_length = std::nullopt;
    /// Where a route was asked: each of its models, and why it has not answered.
    std::vector<Attempt> tried = {};

    /// Whether the same request may succeed a moment later.
    [[nodiscard]] bool retryable() const {
        return code == codes::busy || code == codes::shutting_down;
    }
};

/// What `Result::value_or_throw` throws. Nothing else in this library throws, but for lack of memory.
class Exception : public std::runtime_error {
public:
    explicit Exception(Error error) : std::runtime_error(described(error)), error_(std::move(error)) {}

    [[nodiscard]] const Error& error() const noexcept {
        return error_;
    }

private:
    static std::string described(const Error& error) {
        std::string text = error.code + ": " + error.message;
        return error.path.empty() ? text : text + " (" + error.path + ")";
    }

    Error error_;
};

}  // namespace maskbus
