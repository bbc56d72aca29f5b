#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <msgpack.hpp>
#include <zmq.hpp>

#include "maskbus/shm/atomics.hpp"
#include "maskbus/shm/child.hpp"
#include "maskbus/shm/child_mailbox.hpp"
#include "shm_file.hpp"

namespace fake {

/// A child that does what the test says: a real process that prints a ready line and waits for the end of its input,
/// and a thread of the test that sits at the other end of mapping and bell.
class Child {
public:
    /// Answers a request, which has the given id, with a whole header; empty for no answer at all.
    using Answer = std::function<std::string(const std::string& id)>;

    explicit Child(Answer answer) : answer_(std::move(answer)), bell_(context_, zmq::socket_type::router) {
        bell_.bind("tcp://127.0.0.1:*");
        bell_.set(zmq::sockopt::linger, 0);
        thread_ = std::thread([this] { serve(); });
    }
    ~Child() {
        over_ = true;
        thread_.join();
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] std::string line() {
        return R"({"ready": true, "mapping": ")" + file.path() + R"(", "bytes": )" +
               std::to_string(file.header().file_bytes()) + R"(, "generation": )" +
               std::to_string(file.header().generation) + R"(, "bell": ")" + bell_.get(zmq::sockopt::last_endpoint) +
               R"(", "pid": 1})";
    }

    /// Options that start `script`, with the ready line as $0.
    [[nodiscard]] maskbus::ChildOptions options(const std::string& script = "printf '%s\\n' \"$0\"; exec cat") {
        maskbus::ChildOptions options;
        options.command = {"sh", "-c", script, line()};
        options.start_timeout = std::chrono::seconds(20);
        options.deadline = std::chrono::seconds(20);
        return options;
    }

    /// Whether the request's slot is free.
    [[nodiscard]] bool is_free() const {
        return maskbus::shm::detail::load<std::uint32_t>(at(0) + maskbus::shm::state_offset) ==
               static_cast<std::uint32_t>(maskbus::shm::SlotState::free);
    }

    Folder folder;
    SharedFile file{folder.file("mapping"), 2, 8192};
    std::atomic<int> rings{0};

private:
    void serve() {
        zmq::pollitem_t item = {bell_.handle(), 0, ZMQ_POLLIN, 0};
        while (!over_) {
            zmq::poll(&item, 1, std::chrono::milliseconds(5));
            if ((item.revents & ZMQ_POLLIN) == 0) {
                continue;
            }
            zmq::message_t peer;
            zmq::message_t ring;
            static_cast<void>(bell_.recv(peer));
            static_cast<void>(bell_.recv(ring));
            ++rings;
            const auto entry = file.entry(0);
            auto request = maskbus::shm::detail::split_message(
                maskbus::Bytes::copy_of(file.slot(0), static_cast<std::size_t>(entry.length)));
            set(0, maskbus::shm::SlotState::reading, maskbus::shm::SlotOwner::node);
            const auto opened = maskbus::wire::open(request.value().header, request.value().attachments);
            const std::string header = answer_(std::string(opened.value().id()));
            if (!header.empty()) {
                reply(header, peer);
            }
        }
    }

    [[nodiscard]] std::uint8_t* at(std::size_t index) const {
        return file.slot(0) - file.header().data_offset() + maskbus::shm::entry_offset(index);
    }
    /// As the parent reads it in another thread: word by word, the state last.
    void set(std::size_t index, maskbus::shm::SlotState state, maskbus::shm::SlotOwner owner) const {
        maskbus::shm::detail::store(at(index) + maskbus::shm::owner_offset, static_cast<std::uint32_t>(owner));
        maskbus::shm::detail::store(at(index) + maskbus::shm::state_offset, static_cast<std::uint32_t>(state));
    }

    void reply(const std::string& header, const zmq::message_t& peer) {
        using maskbus::shm::detail::write_little;
        generation_ += 2;
        write_little(file.slot(1), std::uint32_t{1});
        write_little(file.slot(1) + 4, std::uint32_t{0});
        write_little(file.slot(1) + 8, std::uint64_t{header.size()});
        std::memcpy(file.slot(1) + 16, header.data(), header.size());
        maskbus::shm::Entry entry;
        entry.generation = generation_;
        entry.length = 16 + header.size();
        entry.encoding = maskbus::shm::Content::message;
        entry.write_description(at(1));
        maskbus::shm::detail::store(at(1), entry.generation);
        set(1, maskbus::shm::SlotState::answered, maskbus::shm::SlotOwner::client);
        set(0, maskbus::shm::SlotState::free, maskbus::shm::SlotOwner::nobody);
        std::vector<std::uint8_t> ring(24);
        std::copy(file.header().token.begin(), file.header().token.end(), ring.begin());
        write_little(ring.data() + 16, generation_);
        bell_.send(zmq::buffer(peer.data(), peer.size()), zmq::send_flags::sndmore);
        bell_.send(zmq::buffer(ring), zmq::send_flags::none);
    }

    Answer answer_;
    std::uint64_t generation_ = 0;
    std::atomic<bool> over_{false};
    zmq::context_t context_;
    zmq::socket_t bell_;
    std::thread thread_;
};

/// A `ping` reply. `node` tells replies apart.
inline std::string pong(const std::string& id, const std::string& node = "n") {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    packer.pack_map(8);
    for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
             {"maskbus", "1.2"}, {"reply", "ping"}, {"id", id}, {"node", node}, {"version", "1"}}) {
        packer.pack(key);
        packer.pack(value);
    }
    packer.pack("uptime_s");
    packer.pack(1.0);
    for (const char* key : {"endpoints", "publish_endpoints"}) {
        packer.pack(key);
        packer.pack_array(0);
    }
    return {buffer.data(), buffer.size()};
}

/// An `error` reply.
inline std::string error_message(const std::string& id, const std::string& code) {
    msgpack::sbuffer buffer;
    msgpack::pack(buffer, std::map<std::string, std::string>{
                              {"maskbus", "1.2"}, {"reply", "error"}, {"id", id}, {"code", code}, {"message", "No."}});
    return {buffer.data(), buffer.size()};
}

}  // namespace fake
