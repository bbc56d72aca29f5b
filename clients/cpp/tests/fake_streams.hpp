#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fake_node.hpp"

namespace fake {

/// Teaches a node one stream, which it knows from the moment it is opened until it is told to forget it. Goes after the
/// node.
class Streams {
public:
    /// With `limit` frames need credit.
    explicit Streams(Node& node, std::optional<std::int64_t> limit = std::nullopt) : node_(node), limit_(limit) {
        node.on("stream.open", [this](Node&, const Asked& asked) { open(asked); });
        node.on("stream.frame", [this](Node&, const Asked& asked) { frame(asked); });
        node.on("stream.update", [this](Node&, const Asked& asked) { update(asked); });
        node.on("stream.close", [this](Node&, const Asked& asked) { close(asked); });
        node.on("stream.list", [this](Node&, const Asked& asked) { list(asked); });
    }
    ~Streams() {
        node_.stop();  // its thread runs what is here
    }
    Streams(const Streams&) = delete;
    Streams& operator=(const Streams&) = delete;

    /// Know nothing of the stream any more, as a node that was restarted.
    void forget() {
        known = false;
    }
    /// Tell who sent the last frame that so many may have been sent.
    void credit(std::int64_t limit) {
        node_.do_there([this, limit] {
            if (last_) {
                node_.send(*last_, reply("stream.credit", "").set("stream", last_->text("stream")).set("limit", limit));
            }
        });
    }

    Queue<Asked> opened;
    /// Frames of the stream while it was known, and those of another time.
    Queue<Asked> frames;
    Queue<Asked> strays;
    Queue<Asked> updated;
    Queue<Asked> closed;
    Queue<Asked> listed;
    std::atomic<bool> known{false};
    /// What the list says.
    std::atomic<std::int64_t> received{0};
    std::atomic<std::int64_t> under_way{0};
    /// What is answered to opening the stream; empty: it is opened.
    std::atomic<const char*> refusal{nullptr};
    /// What is answered to a frame; empty: nothing.
    std::atomic<const char*> complaint{nullptr};

private:
    void open(const Asked& asked) {
        if (const char* code = refusal) {
            node_.send_error(asked, code, "model");
        } else {
            known = true;
            received = 0;
            Header header = reply("stream.open", asked.id());
            header.set("stream", asked.text("stream"))
                .set("model", "fake")
                .set("topic", "masks/" + asked.text("stream") + "/fake")
                .set("frames_topic", "frames/" + asked.text("stream"));
            if (limit_) {
                header.set("limit", *limit_);
            }
            node_.send(asked, header);
        }
        opened.put(asked);
    }
    void frame(const Asked& asked) {
        last_ = asked;
        if (!known) {
            node_.send_error(asked, "unknown_stream", "stream");
            strays.put(asked);
            return;
        }
        ++received;
        if (const char* code = complaint) {
            node_.send_error(asked, code, "image");
        }
        frames.put(asked);
    }
    void update(const Asked& asked) {
        if (known) {
            node_.send(asked, reply("stream.update", asked.id()).set("stream", asked.text("stream")).set("seq", 4));
        } else {
            node_.send_error(asked, "unknown_stream", "stream");
        }
        updated.put(asked);
    }
    void close(const Asked& asked) {
        if (known.exchange(false)) {
            const Header dropped = Header().set("newer", 1).set("later_cause", 2);
            const Header counts = Header().set("received", received.load()).set("answered", 1).map("dropped", dropped);
            node_.send(asked,
                       reply("stream.close", asked.id()).set("stream", asked.text("stream")).map("counts", counts));
        } else {
            node_.send_error(asked, "unknown_stream", "stream");
        }
        closed.put(asked);
    }
    void list(const Asked& asked) {
        std::vector<Header> streams;
        if (known) {
            streams.push_back(Header()
                                  .set("stream", "front")
                                  .set("model", "fake")
                                  .set("topic", "masks/front/fake")
                                  .set("policy", "every")
                                  .set("under_way", under_way.load())
                                  .map("counts", Header().set("received", received.load())));
        }
        node_.send(asked, reply("stream.list", asked.id()).maps("streams", streams));
        listed.put(asked);
    }

    Node& node_;
    std::optional<std::int64_t> limit_;
    std::optional<Asked> last_;  // of the node's thread
};

}  // namespace fake
