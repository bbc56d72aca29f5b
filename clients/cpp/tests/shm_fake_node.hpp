#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_node.hpp"
#include "maskbus/shm/checksum.hpp"
#include "shm_file.hpp"

namespace fake {

/// A slot as a request names it.
struct NamedSlot {
    std::string lease;
    std::int64_t index = -1;
    std::int64_t generation = -1;
};

/// How the node departs from what it should do.
struct Lie {
    std::int64_t generation = 0;  // added to the one that is announced
    std::int64_t index = 0;       // added to the index
    std::string lease = {};       // another lease
    std::size_t longer = 0;       // added to the length of the mask's bytes
    bool damaged = false;         // a byte of the answer is changed after its checksum was taken
};

/// A node in a thread that leases shared memory and looks for bright pixels: a mask's pixel is set where the image's
/// first channel is over 127. It does otherwise where a script says so.
class SharedNode {
public:
    using Script = std::function<void(SharedNode&, const Asked&)>;

    SharedNode() {
        router_.set(zmq::sockopt::linger, 0);
        router_.bind("tcp://127.0.0.1:*");
        endpoint_ = last_endpoint(router_);
        thread_ = std::thread([this] { run(); });
    }
    ~SharedNode() {
        stopping_ = true;
        thread_.join();
    }
    SharedNode(const SharedNode&) = delete;
    SharedNode& operator=(const SharedNode&) = delete;

    [[nodiscard]] const std::string& endpoint() const {
        return endpoint_;
    }
    /// What is done with the next request of an operation; none: it is answered.
    void then(const std::string& op, Script script) {
        const std::lock_guard<std::mutex> lock(mutex_);
        scripts_[op].push_back(std::move(script));
    }
    /// Forget all leases, as a node that was restarted.
    void forget() {
        const std::lock_guard<std::mutex> lock(mutex_);
        leases_.clear();
    }
    [[nodiscard]] std::size_t leases() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return leases_.size();
    }
    [[nodiscard]] std::vector<Asked> asked(const std::string& op) {
        const std::lock_guard<std::mutex> lock(mutex_);
        std::vector<Asked> found;
        for (const Asked& one : seen_) {
            if (one.op() == op) {
                found.push_back(one);
            }
        }
        return found;
    }
    /// Requests of any operation but `ping`, to wait for in a test; each comes once it has been dealt with.
    Queue<Asked> done;
    /// What `stats` says is running.
    std::atomic<int> running{0};

    static std::optional<NamedSlot> slot_of(const Asked& asked, std::initializer_list<const char*> path) {
        const msgpack::object_handle handle = asked.header();
        const msgpack::object* at = &handle.get();
        for (const char* name : path) {
            const msgpack::object* next = nullptr;
            for (std::uint32_t i = 0; i < at->via.map.size; ++i) {
                if (at->via.map.ptr[i].key.as<std::string>() == name) {
                    next = &at->via.map.ptr[i].val;
                }
            }
            if (next == nullptr) {
                return std::nullopt;
            }
            at = next;
        }
        const auto fields = at->as<std::map<std::string, msgpack::object>>();
        return NamedSlot{fields.at("lease").as<std::string>(), fields.at("index").as<std::int64_t>(),
                         fields.at("generation").as<std::int64_t>()};
    }
    static std::optional<NamedSlot> image_of(const Asked& asked) {
        return slot_of(asked, {"image", "slot"});
    }
    static std::optional<NamedSlot> result_of(const Asked& asked) {
        return slot_of(asked, {"result"});
    }

    // In the node's thread only, or where it waits.

    [[nodiscard]] std::shared_ptr<SharedFile> file(const std::string& lease) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = leases_.find(lease);
        return found == leases_.end() ? nullptr : found->second;
    }
    void send(const Asked& to, const Header& header, const std::vector<std::string>& attachments = {}) {
        std::vector<std::string> frames{to.peer, "", header.bytes()};
        frames.insert(frames.end(), attachments.begin(), attachments.end());
        for (std::size_t i = 0; i < frames.size(); ++i) {
            router_.send(zmq::buffer(frames[i]),
                         i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
        }
    }
    void send_error(const Asked& to, const std::string& code, const std::string& path = "") {
        send(to, reply("error", to.id()).set("code", code).set("message", "No.").set("path", path));
    }
    void lease(const Asked& asked, std::int64_t more_slots = 0, std::uint64_t other_generation = 0) {
        const std::string name = "lease-" + std::to_string(++granted_);
        const auto made = std::make_shared<SharedFile>(folder_.file(name),
                                                       static_cast<std::uint32_t>(asked.number("slots") + more_slots),
                                                       static_cast<std::uint64_t>(asked.number("slot_bytes")));
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            leases_[name] = made;
        }
        send(asked, reply("lease", asked.id())
                        .set("lease", name)
                        .set("path", made->path())
                        .set("bytes", made->header().file_bytes())
                        .set("generation", made->header().generation + other_generation));
    }
    /// Make a slot the node's, to write an answer to it.
    void begin_answer(const NamedSlot& slot) {
        maskbus::shm::Entry entry;
        entry.generation = static_cast<std::uint64_t>(slot.generation) + 1;
        entry.state = maskbus::shm::SlotState::answering;
        entry.owner = maskbus::shm::SlotOwner::node;
        file(slot.lease)->write(static_cast<std::size_t>(slot.index), entry);
    }
    /// Set the slot of an answer free without one.
    void drop_answer(const NamedSlot& slot) {
        maskbus::shm::Entry entry;
        entry.generation = static_cast<std::uint64_t>(slot.generation) + 2;
        file(slot.lease)->write(static_cast<std::size_t>(slot.index), entry);
    }
    void segment(const Asked& asked, const Lie& lie = {}) {
        using maskbus::shm::SlotOwner;
        using maskbus::shm::SlotState;
        const NamedSlot image = *image_of(asked);
        const std::shared_ptr<SharedFile> memory = file(image.lease);
        if (memory == nullptr) {
            return send_error(asked, "unknown_lease", "image.slot.lease");
        }
        const auto index = static_cast<std::size_t>(image.index);
        const maskbus::shm::Entry what = memory->entry(index);
        if (what.state != SlotState::written || what.generation != static_cast<std::uint64_t>(image.generation)) {
            return send_error(asked, "invalid_value", "image.slot.generation");
        }
        const std::uint8_t* pixels = memory->slot(index);
        if ((what.flags & maskbus::shm::has_checksum) != 0 &&
            maskbus::shm::checksum(pixels, static_cast<std::size_t>(what.length)) != what.checksum) {
            return send_error(asked, "invalid_image", "image.slot");
        }
        const std::size_t row = what.step == 0 ? what.width * std::size_t{3} : what.step;
        std::string mask;
        for (std::size_t y = 0; y < what.height; ++y) {
            for (std::size_t x = 0; x < what.width; ++x) {
                mask += pixels[y * row + x * 3] > 127 ? '\xff' : '\0';
            }
        }
        Header fields;
        fields.set("bbox", std::vector<int>{0, 0, 0, 0})
            .set("area", 0)
            .set("predicted_iou", 0.9)
            .set("stability_score", 0.8);
        Header header = reply("segment", asked.id());
        header.set("model", "fake")
            .set("width", what.width)
            .set("height", what.height)
            .set("encodings", std::vector<std::string>{"raw"});
        const std::optional<NamedSlot> wanted = result_of(asked);
        if (!wanted) {
            fields.map("raw", Header().set("attachment", 0));
            return send(asked, header.maps("masks", {fields}), {mask});
        }
        begin_answer(*wanted);
        const auto to = static_cast<std::size_t>(wanted->index);
        std::memcpy(memory->slot(to), mask.data(), mask.size());
        maskbus::shm::Entry answer = memory->entry(to);
        ++answer.generation;
        answer.state = SlotState::answered;
        answer.owner = SlotOwner::client;
        answer.length = mask.size();
        answer.encoding = maskbus::shm::Content::masks;
        answer.flags = what.flags;
        answer.checksum = what.flags != 0 ? maskbus::shm::checksum(memory->slot(to), mask.size()) : 0;
        memory->write(to, answer);
        if (lie.damaged) {
            memory->slot(to)[0] ^= 1U;
        }
        fields.map("raw", Header().set("shared", std::vector<std::size_t>{0, mask.size() + lie.longer}));
        header.maps("masks", {fields})
            .map("result", Header()
                               .set("lease", lie.lease.empty() ? wanted->lease : lie.lease)
                               .set("index", wanted->index + lie.index)
                               .set("generation", static_cast<std::int64_t>(answer.generation) + lie.generation));
        send(asked, header);
    }
    /// Answer as a node should.
    void answer(const Asked& asked) {
        const std::string op = asked.op();
        if (op == "ping" || op == "stats") {
            const std::vector<std::string> nowhere;
            send(asked, reply(op, asked.id())
                            .set("node", "one")
                            .set("version", "0")
                            .set("uptime_s", 1.0)
                            .set("endpoints", nowhere)
                            .set("publish_endpoints", nowhere)
                            .maps("workers", {})
                            .maps("models", {Header().set("name", "fake").set("running", running.load())}));
        } else if (op == "lease") {
            lease(asked);
        } else if (op == "return") {
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                leases_.erase(asked.text("lease"));
            }
            send(asked, reply(op, asked.id()));
        } else if (op == "segment") {
            segment(asked);
        }
    }

private:
    void run() {
        while (!stopping_) {
            zmq::pollitem_t items[] = {{router_.handle(), 0, ZMQ_POLLIN, 0}};
            if (zmq::poll(items, 1, 5ms) > 0) {
                handle();
            }
        }
    }
    void handle() {
        std::vector<std::string> frames;
        do {
            zmq::message_t frame;
            static_cast<void>(router_.recv(frame));
            frames.push_back(frame.to_string());
        } while (router_.get(zmq::sockopt::rcvmore));
        const Asked asked{frames.at(0), frames.at(2), {frames.begin() + 3, frames.end()}};
        Script script;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            seen_.push_back(asked);
            std::deque<Script>& scripts = scripts_[asked.op()];
            if (!scripts.empty()) {
                script = std::move(scripts.front());
                scripts.pop_front();
            }
        }
        if (script) {
            script(*this, asked);
        } else {
            answer(asked);
        }
        if (asked.op() != "ping") {
            done.put(asked);
        }
    }

    Folder folder_;
    zmq::context_t context_;
    zmq::socket_t router_{context_, zmq::socket_type::router};
    std::string endpoint_;
    std::atomic<bool> stopping_{false};

    std::mutex mutex_;  // for the next three
    std::map<std::string, std::deque<Script>> scripts_;
    std::map<std::string, std::shared_ptr<SharedFile>> leases_;
    std::vector<Asked> seen_;

    int granted_ = 0;  // of the thread
    std::thread thread_;
};

}  // namespace fake
