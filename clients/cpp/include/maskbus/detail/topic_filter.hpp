#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "maskbus/detail/endpoints.hpp"
#include "maskbus/detail/multipart.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// A published message that was asked for, or why it cannot be read, and the topic it came under.
struct Published {
    std::string topic;
    Result<Segmentation> masks;
};

/// Lets those messages through that were asked for, each once. No socket.
///
/// A subscription on the wire is a prefix, so that of "cam1" brings "cam10" too; and what the node sends again for one
/// late joiner reaches everybody.
class TopicFilter {
public:
    /// `encoding` is the wire's name of one, or empty. Error: `invalid_argument`.
    [[nodiscard]] static Result<TopicFilter> make(const std::string& topic, std::string_view encoding, bool prefix) {
        if (topic.find(':') != std::string::npos || (topic.empty() && !prefix)) {
            return Error{codes::invalid_argument,
                         "A topic has at least one character and no \":\", unlike \"" + topic + "\".", "topic"};
        }
        return TopicFilter(encoding.empty() ? topic : std::string(encoding) + ":" + topic, !encoding.empty(), prefix);
    }

    /// What to subscribe to.
    [[nodiscard]] const std::string& wanted() const noexcept {
        return wanted_;
    }

    /// Read a message as it came from the socket: the topic, the header, the attachments. Nothing if it is none that
    /// was asked for.
    std::optional<Published> read(std::vector<zmq::message_t>& frames) {
        if (frames.empty()) {
            return std::nullopt;
        }
        std::string topic(frames[0].data<char>(), frames[0].size());
        if (!matches(topic)) {
            return std::nullopt;
        }
        Result<Segmentation> masks = open(frames);
        if (masks && masks->published()) {
            const auto last = last_.find(topic);
            if (masks->retained() && last != last_.end() && last->second == *masks->published()) {
                return std::nullopt;
            }
            last_[topic] = *masks->published();
        }
        return Published{std::move(topic), std::move(masks)};
    }

private:
    TopicFilter(std::string wanted, bool encoded, bool prefix)
        : wanted_(std::move(wanted)), encoded_(encoded), prefix_(prefix) {}

    [[nodiscard]] bool matches(const std::string& topic) const {
        if (!prefix_) {
            return topic == wanted_;
        }
        // Without an encoding, the empty prefix would bring what other subscribers had encoded for them.
        return begins_with(topic, wanted_) && (encoded_ || topic.find(':') == std::string::npos);
    }

    static Result<Segmentation> open(std::vector<zmq::message_t>& frames) {
        if (frames.size() < 2) {
            return Error{codes::protocol, "A published message has no header."};
        }
        std::vector<Bytes> attachments;
        attachments.reserve(frames.size() - 2);
        for (std::size_t index = 2; index < frames.size(); ++index) {
            attachments.push_back(to_bytes(std::move(frames[index])));
        }
        const Result<wire::Opened> opened = wire::open(to_bytes(std::move(frames[1])), std::move(attachments));
        if (!opened) {
            return unreadable(opened.error());
        }
        Result<Segmentation> masks = wire::segmentation(*opened);
        if (!masks) {
            return unreadable(masks.error());
        }
        return masks;
    }

    static Error unreadable(const Error& error) {
        return {codes::protocol, "A published message breaks the wire contract: " + error.message, error.path};
    }

    std::string wanted_;
    bool encoded_;
    bool prefix_;
    std::map<std::string, std::int64_t> last_;
};

}  // namespace maskbus::detail
