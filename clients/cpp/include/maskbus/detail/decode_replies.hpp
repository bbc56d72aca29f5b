#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "maskbus/detail/read_masks.hpp"
#include "maskbus/version.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

inline constexpr std::array<std::string_view, 19> reply_names = {
    "error",         "segment",       "everything",   "progress",    "embed",  "release",     "lease",
    "return",        "describe",      "ping",         "stats",       "cancel", "stream.open", "stream.frame",
    "stream.credit", "stream.update", "stream.close", "stream.list", "frame"};

/// Return what is wrong with a message's version, if anything is.
inline std::optional<Error> check_version(const Opened& opened) {
    constexpr std::size_t longest = 16;
    const Object* value = find_field(opened.header(), "maskbus");
    const std::string_view version = value != nullptr && value->type == type::STR ? text_of(*value) : "";
    const std::size_t dot = version.find('.');
    const auto digits = [](std::string_view text) {
        return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    if (version.size() > longest || dot == std::string_view::npos || !digits(version.substr(0, dot)) ||
        !digits(version.substr(dot + 1))) {
        return Error{codes::invalid_field, "The wire's version is missing, or no text such as \"1.0\".", "maskbus"};
    }
    if (std::stoull(std::string(version.substr(0, dot))) != wire_major) {
        return Error{codes::unsupported_version,
                     "Version " + std::string(version) + " is not spoken here; " + std::string(wire_version) + " is.",
                     "maskbus"};
    }
    return std::nullopt;
}

/// Return the name of a reply, in a version that is spoken here. Errors are the wire's.
inline Result<std::string_view> reply_name(const Opened& opened) {
    if (auto error = check_version(opened)) {
        return *std::move(error);
    }
    const Object* value = find_field(opened.header(), "reply");
    if (value == nullptr || value->type != type::STR) {
        return Error{codes::invalid_field, "The field is missing or not text.", "reply"};
    }
    const std::string_view name = text_of(*value);
    for (const std::string_view known : reply_names) {
        if (name == known) {
            return name;
        }
    }
    return Error{codes::unknown_operation, "There is no reply of this name.", "reply"};
}

/// Read the fields of a reply. Errors are the wire's.
template <class Reply>
Result<Reply> read_reply(const Opened& opened, Bytes shared = {}) {
    Reading in{opened, std::move(shared)};
    Reply reply{};
    read(in, opened.header(), Where{}, reply);
    if (in.error) {
        return *std::move(in.error);
    }
    return reply;
}

/// Turn what is wrong with a reply into what the caller of a client is told.
inline Error broken(const Error& error) {
    return {codes::protocol, "The node's answer is not what the wire allows (" + error.code + "): " + error.message,
            error.path};
}

/// Read a reply that is due: another, or a broken one, is `protocol`; an error is the node's.
template <class Reply>
Result<Reply> expect(const Opened& opened, std::string_view due, Bytes shared = {}) {
    const auto name = reply_name(opened);
    if (!name) {
        return broken(name.error());
    }
    if (*name != due && *name == "error") {
        const auto error = read_reply<ErrorReply>(opened);
        return error ? error->to_error() : broken(error.error());
    }
    if (*name != due) {
        return Error{codes::protocol, "The node answered with \"" + std::string(*name) + "\" where \"" +
                                          std::string(due) + "\" was due."};
    }
    auto reply = read_reply<Reply>(opened, std::move(shared));
    return reply ? std::move(reply) : broken(reply.error());
}

}  // namespace maskbus::detail

namespace maskbus::wire {

inline Result<Opened> open(Bytes header, std::vector<Bytes> attachments, const Limits& limits) {
    auto opened = detail::open_message(std::move(header), std::move(attachments), limits);
    return opened ? std::move(opened) : detail::broken(opened.error());
}

inline Result<Segmentation> segmentation(const Opened& opened, const Bytes& shared) {
    auto reply = detail::expect<detail::MasksReply>(opened, "segment", shared);
    if (!reply) {
        return std::move(reply).error();
    }
    return Segmentation(*std::move(reply));
}

inline Result<Segmentation> found(const Opened& opened) {
    auto reply = detail::expect<detail::MasksReply>(opened, "everything");
    if (!reply) {
        return std::move(reply).error();
    }
    return Segmentation(*std::move(reply));
}

inline Result<Embedded> embedded(const Opened& opened) {
    return detail::expect<Embedded>(opened, "embed");
}

inline Result<Released> released(const Opened& opened) {
    return detail::expect<Released>(opened, "release");
}

inline Result<Cancelled> cancelled(const Opened& opened) {
    return detail::expect<Cancelled>(opened, "cancel");
}

inline Result<Pong> pong(const Opened& opened) {
    return detail::expect<Pong>(opened, "ping");
}

inline Result<Models> models(const Opened& opened) {
    return detail::expect<Models>(opened, "describe");
}

inline Result<Statistics> statistics(const Opened& opened) {
    return detail::expect<Statistics>(opened, "stats");
}

inline Result<Leased> leased(const Opened& opened) {
    return detail::expect<Leased>(opened, "lease");
}

inline Result<Returned> returned(const Opened& opened) {
    return detail::expect<Returned>(opened, "return");
}

inline Result<StreamOpened> stream_opened(const Opened& opened) {
    return detail::expect<StreamOpened>(opened, "stream.open");
}

inline Result<StreamFrameTaken> stream_frame_taken(const Opened& opened) {
    return detail::expect<StreamFrameTaken>(opened, "stream.frame");
}

inline Result<StreamCredit> stream_credit(const Opened& opened) {
    return detail::expect<StreamCredit>(opened, "stream.credit");
}

inline Result<StreamUpdated> stream_updated(const Opened& opened) {
    return detail::expect<StreamUpdated>(opened, "stream.update");
}

inline Result<StreamClosed> stream_closed(const Opened& opened) {
    return detail::expect<StreamClosed>(opened, "stream.close");
}

inline Result<Streams> streams(const Opened& opened) {
    return detail::expect<Streams>(opened, "stream.list");
}

inline Result<PublishedFrame> published_frame(const Opened& opened) {
    return detail::expect<PublishedFrame>(opened, "frame");
}

inline Result<ErrorReply> error_reply(const Opened& opened) {
    return detail::expect<ErrorReply>(opened, "error");
}

}  // namespace maskbus::wire
