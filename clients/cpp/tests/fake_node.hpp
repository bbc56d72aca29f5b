#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <msgpack.hpp>
#include <zmq.hpp>

namespace fake {

using namespace std::chrono_literals;

/// A msgpack map under construction.
class Header {
public:
    template <class T>
    Header& set(const std::string& key, const T& value) {
        msgpack::packer<msgpack::sbuffer> packer(fields_);
        packer.pack(key);
        packer.pack(value);
        ++count_;
        return *this;
    }
    Header& map(const std::string& key, const Header& value) {
        return raw(key, value.bytes());
    }
    Header& maps(const std::string& key, const std::vector<Header>& values) {
        msgpack::sbuffer buffer;
        msgpack::packer<msgpack::sbuffer>(buffer).pack_array(static_cast<std::uint32_t>(values.size()));
        std::string all(buffer.data(), buffer.size());
        for (const Header& value : values) {
            all += value.bytes();
        }
        return raw(key, all);
    }
    [[nodiscard]] std::string bytes() const {
        msgpack::sbuffer buffer;
        msgpack::packer<msgpack::sbuffer>(buffer).pack_map(count_);
        return std::string(buffer.data(), buffer.size()) + std::string(fields_.data(), fields_.size());
    }

    Header() = default;
    Header(const Header& other) : count_(other.count_) {
        fields_.write(other.fields_.data(), other.fields_.size());
    }
    Header& operator=(const Header&) = delete;

private:
    Header& raw(const std::string& key, const std::string& value) {
        msgpack::packer<msgpack::sbuffer>(fields_).pack(key);
        fields_.write(value.data(), value.size());
        ++count_;
        return *this;
    }

    msgpack::sbuffer fields_;
    std::uint32_t count_ = 0;
};

inline Header reply(const std::string& name, const std::string& id) {
    Header header;
    header.set("maskbus", "1.0").set("reply", name).set("id", id);
    return header;
}

/// One request as the node got it.
struct Asked {
    std::string peer;
    std::string head;
    std::vector<std::string> attachments;

    [[nodiscard]] msgpack::object_handle header() const {
        return msgpack::unpack(head.data(), head.size());
    }
    /// Text of a field; `outer` names the map that it is in, if it is in one.
    [[nodiscard]] std::string text(const std::string& key, const std::string& outer = "") const {
        const msgpack::object_handle handle = header();
        const msgpack::object* found = find(handle.get(), outer, key);
        return found != nullptr && found->type == msgpack::type::STR ? found->as<std::string>() : std::string();
    }
    [[nodiscard]] std::int64_t number(const std::string& key, std::int64_t otherwise = -1,
                                      const std::string& outer = "") const {
        const msgpack::object_handle handle = header();
        const msgpack::object* found = find(handle.get(), outer, key);
        return found != nullptr ? found->as<std::int64_t>() : otherwise;
    }
    [[nodiscard]] std::string op() const {
        return text("op");
    }
    [[nodiscard]] std::string id() const {
        return text("id");
    }

private:
    static const msgpack::object* in_map(const msgpack::object& map, const std::string& key) {
        for (std::uint32_t i = 0; i < map.via.map.size; ++i) {
            if (map.via.map.ptr[i].key.as<std::string>() == key) {
                return &map.via.map.ptr[i].val;
            }
        }
        return nullptr;
    }
    static const msgpack::object* find(const msgpack::object& map, const std::string& outer, const std::string& key) {
        const msgpack::object* within = outer.empty() ? &map : in_map(map, outer);
        return within == nullptr ? nullptr : in_map(*within, key);
    }
};

/// Blocks until there is something, and gives up, loudly, after a while.
template <class T>
class Queue {
public:
    void put(T value) {
        const std::lock_guard<std::mutex> lock(mutex_);
        values_.push_back(std::move(value));
        changed_.notify_all();
    }
    T get() {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!changed_.wait_for(lock, 20s, [this] { return !values_.empty(); })) {
            throw std::runtime_error("nothing came");
        }
        T value = std::move(values_.front());
        values_.pop_front();
        return value;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<T> values_;
};

inline std::string last_endpoint(zmq::socket_t& socket) {
    return socket.get(zmq::sockopt::last_endpoint);
}

/// Bind; libzmq gives the address of a closed socket back a moment after it was closed.
inline void bind_to(zmq::socket_t& socket, const std::string& endpoint) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (zmq_bind(socket.handle(), endpoint.c_str()) != 0) {
        if (zmq_errno() != EADDRINUSE || std::chrono::steady_clock::now() > give_up) {
            throw zmq::error_t();
        }
        std::this_thread::sleep_for(2ms);
    }
}

/// A node in a thread that does as it is told: answer, stay silent, talk nonsense, be restarted.
class Node {
public:
    using Script = std::function<void(Node&, const Asked&)>;

    explicit Node(std::string endpoint = "tcp://127.0.0.1:*", std::string topics = "tcp://127.0.0.1:*") {
        router_.set(zmq::sockopt::linger, 0);
        xpub_.set(zmq::sockopt::linger, 0);
        xpub_.set(zmq::sockopt::sndhwm, 0);
        router_.set(zmq::sockopt::sndhwm, 0);
        bind_to(router_, endpoint);
        bind_to(xpub_, topics);
        endpoint_ = last_endpoint(router_);
        topics_ = last_endpoint(xpub_);
        inside_.bind("inproc://bell");
        outside_.connect("inproc://bell");
        std::random_device random;
        name = std::to_string(random()) + "-" + std::to_string(random());
        thread_ = std::thread([this] { run(); });
    }
    ~Node() {
        stop();
    }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    void stop() {
        if (thread_.joinable()) {
            do_there([this] { stopping_ = true; });
            thread_.join();
            router_.close();
            xpub_.close();
        }
    }

    [[nodiscard]] const std::string& endpoint() const {
        return endpoint_;
    }
    [[nodiscard]] const std::string& topics() const {
        return topics_;
    }

    /// What is done with the next requests that need a model; none: they are answered.
    void then(Script script) {
        const std::lock_guard<std::mutex> lock(mutex_);
        scripts_.push_back(std::move(script));
    }
    /// What is done with all requests of an operation from now on.
    void on(const std::string& op, Script script) {
        const std::lock_guard<std::mutex> lock(mutex_);
        standing_[op] = std::move(script);
    }
    /// How many requests of this operation have come.
    [[nodiscard]] std::size_t count(const std::string& op) {
        return asked(op).size();
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
    /// Run something in the node's own thread, which its sockets belong to.
    void do_there(std::function<void()> command) {
        const std::lock_guard<std::mutex> lock(mutex_);
        commands_.push_back(std::move(command));
        outside_.send(zmq::const_buffer(), zmq::send_flags::none);
    }
    /// Forget all images.
    void forget() {
        Queue<int> done;
        do_there([&] {
            images_.clear();
            done.put(1);
        });
        done.get();
    }
    [[nodiscard]] std::size_t images() {
        Queue<std::size_t> done;
        do_there([&] { done.put(images_.size()); });
        return done.get();
    }

    // In the node's thread only.

    void send(const Asked& to, const Header& header, const std::vector<std::string>& attachments = {}) {
        std::vector<std::string> frames{"", header.bytes()};
        frames.insert(frames.end(), attachments.begin(), attachments.end());
        send_raw(to, frames);
    }
    void send_raw(const Asked& to, const std::vector<std::string>& frames) {
        send_frame(router_, to.peer, true);
        for (std::size_t i = 0; i < frames.size(); ++i) {
            send_frame(router_, frames[i], i + 1 < frames.size());
        }
    }
    void send_error(const Asked& to, const std::string& code, const std::string& path = "") {
        send(to,
             reply("error", to.id()).set("code", code).set("message", "No.").set("path", path).set("queue_length", 7));
    }

    /// Answer as a node should.
    void answer(const Asked& asked) {
        const std::string op = asked.op();
        if (op == "ping") {
            send(asked, about(asked)
                            .set("endpoints", std::vector<std::string>{endpoint_})
                            .set("publish_endpoints", std::vector<std::string>{topics_}));
        } else if (op == "stats") {
            Header model;
            model.set("name", "fake").set("running", running.load());
            send(asked, about(asked).maps("models", {model}).maps("workers", {}));
        } else if (op == "describe") {
            send(asked, reply(op, asked.id())
                            .maps("models", {})
                            .set("image_encodings", std::vector<std::string>{"rgb8"})
                            .map("limits", Header().set("points", 9)));
        } else if (op == "cancel") {
            send(asked, reply(op, asked.id()).set("cancelled", 1));
        } else if (op == "release") {
            images_.erase(asked.text("image_id"));
            send(asked, reply(op, asked.id()));
        } else if (op == "embed") {
            const std::string image_id = "image-" + std::to_string(++embedded_);
            images_.insert(image_id);
            send(asked, reply(op, asked.id())
                            .set("model", "fake")
                            .set("width", asked.number("width", 8, "image"))
                            .set("height", asked.number("height", 6, "image"))
                            .set("image_id", image_id));
        } else if (const std::string image_id = asked.text("image_id", "image");
                   !image_id.empty() && images_.count(image_id) == 0) {
            send_error(asked, "unknown_image", "image.image_id");
        } else {
            send_masks(asked);
        }
    }
    /// Answer with one mask, the left half of the image, as bits.
    void send_masks(const Asked& asked) {
        const auto width = static_cast<std::size_t>(asked.number("width", 8, "image"));
        const auto height = static_cast<std::size_t>(asked.number("height", 6, "image"));
        std::string bits;
        for (std::size_t y = 0; y < height; ++y) {
            std::string row((width + 7) / 8, '\0');
            for (std::size_t x = 0; x < width / 2; ++x) {
                row[x / 8] = static_cast<char>(static_cast<unsigned char>(row[x / 8]) | (0x80U >> (x % 8)));
            }
            bits += row;
        }
        Header mask = half_of(width, height);
        mask.map("bits", Header().set("attachment", 0));
        if (asked.op() == "everything") {
            mask.set("point", std::vector<double>{0.5, 1}).set("crop_box", std::vector<std::size_t>{0, 1, width, 4});
        }
        Header header = reply(asked.op(), asked.id());
        header.set("model", "fake")
            .set("width", width)
            .set("height", height)
            .maps("masks", {mask})
            .set("encodings", std::vector<std::string>{"bits"});
        if (const std::int64_t seq = asked.number("seq"); seq >= 0) {
            header.set("seq", seq);
        }
        send(asked, header, {bits});
    }

    /// Tell the progress of a request: one new candidate, of 4 × 2 pixels.
    void send_progress(const Asked& asked, int done, int total = 10) {
        Header mask = half_of(4, 2);
        mask.map("rle", Header().set("size", std::vector<int>{2, 4}).set("counts", "044"));
        send(asked, reply("progress", asked.id())
                        .set("done", done)
                        .set("total", total)
                        .set("found", done)
                        .maps("masks", {mask}));
    }

    // From any thread.

    void publish(const std::string& topic, std::int64_t number, bool retained = false) {
        Header header = reply("segment", "");
        header.set("model", "fake")
            .set("width", 4)
            .set("height", 3)
            .maps("masks", {})
            .set("topic", topic)
            .set("published", number)
            .set("seq", number)
            .set("retained", retained);
        publish_raw({topic, header.bytes()});
    }
    void publish_raw(std::vector<std::string> frames) {
        do_there([this, frames = std::move(frames)] {
            for (std::size_t i = 0; i < frames.size(); ++i) {
                send_frame(xpub_, frames[i], i + 1 < frames.size());
            }
        });
    }

    std::string name;
    /// What `stats` says is running.
    std::atomic<int> running{0};
    /// Whether nothing at all is answered, pings included.
    std::atomic<bool> mute{false};
    /// The requests that need a model, and those to cancel one, to wait for in a test.
    Queue<Asked> work;
    /// What the XPUB socket was told: \x01 and a topic, \x00 and a topic.
    Queue<std::string> subscribed;

private:
    Header about(const Asked& asked) const {
        return reply(asked.op(), asked.id()).set("node", name).set("version", "0").set("uptime_s", 1.0);
    }
    /// The fields of a mask that is the left half of its image, but for its pixels.
    static Header half_of(std::size_t width, std::size_t height) {
        Header mask;
        mask.set("bbox", std::vector<std::size_t>{0, 0, width / 2, height})
            .set("area", width / 2 * height)
            .set("predicted_iou", 0.9)
            .set("stability_score", 0.8);
        return mask;
    }
    static void send_frame(zmq::socket_t& socket, const std::string& frame, bool more) {
        socket.send(zmq::buffer(frame), more ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
    static std::vector<std::string> receive(zmq::socket_t& socket) {
        std::vector<std::string> frames;
        do {
            zmq::message_t frame;
            static_cast<void>(socket.recv(frame));
            frames.push_back(frame.to_string());
        } while (socket.get(zmq::sockopt::rcvmore));
        return frames;
    }

    void run() {
        while (!stopping_) {
            zmq::pollitem_t items[] = {{inside_.handle(), 0, ZMQ_POLLIN, 0},
                                       {router_.handle(), 0, ZMQ_POLLIN, 0},
                                       {xpub_.handle(), 0, ZMQ_POLLIN, 0}};
            zmq::poll(items, 3, -1ms);
            if ((items[0].revents & ZMQ_POLLIN) != 0) {
                static_cast<void>(receive(inside_));
                std::function<void()> command;
                {
                    const std::lock_guard<std::mutex> lock(mutex_);
                    command = std::move(commands_.front());
                    commands_.pop_front();
                }
                command();
            }
            if ((items[2].revents & ZMQ_POLLIN) != 0) {
                subscribed.put(receive(xpub_).front());
            }
            if ((items[1].revents & ZMQ_POLLIN) != 0) {
                std::vector<std::string> frames = receive(router_);
                handle({frames.at(0), frames.at(2), {frames.begin() + 3, frames.end()}});
            }
        }
    }
    void handle(const Asked& asked) {
        const bool works = asked.op() == "segment" || asked.op() == "everything" || asked.op() == "embed";
        Script script;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            seen_.push_back(asked);
            if (const auto found = standing_.find(asked.op()); found != standing_.end()) {
                script = found->second;
            } else if (works && !scripts_.empty()) {
                script = std::move(scripts_.front());
                scripts_.pop_front();
            }
        }
        if (script) {
            script(*this, asked);
        } else if (!mute) {
            answer(asked);
        }
        if (works || asked.op() == "cancel") {
            work.put(asked);
        }
    }

    zmq::context_t context_;
    zmq::socket_t router_{context_, zmq::socket_type::router};
    zmq::socket_t xpub_{context_, zmq::socket_type::xpub};
    zmq::socket_t inside_{context_, zmq::socket_type::pair};
    zmq::socket_t outside_{context_, zmq::socket_type::pair};
    std::string endpoint_;
    std::string topics_;

    std::mutex mutex_;  // for the next four
    std::deque<Script> scripts_;
    std::map<std::string, Script> standing_;
    std::deque<std::function<void()>> commands_;
    std::vector<Asked> seen_;

    std::set<std::string> images_;  // of the thread
    int embedded_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

inline const Node::Script silent = [](Node&, const Asked&) {};

inline Node::Script error(const std::string& code, const std::string& path = "") {
    return [=](Node& node, const Asked& asked) { node.send_error(asked, code, path); };
}

}  // namespace fake
