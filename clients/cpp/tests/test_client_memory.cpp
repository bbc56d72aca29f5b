// Whose the pixels are while a call is under way, and that they are the caller's alone afterwards, whatever became of
// it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "picture.hpp"

using namespace std::chrono_literals;
using fake::client_of;
using fake::code_of;
using fake::Picture;

namespace {

/// A line between a client and a node that can be held up: what is sent then stays with the sender, once the buffers of
/// the system are full.
class Line {
public:
    explicit Line(std::string to) : to_(std::move(to)) {
        for (zmq::socket_t* socket : {&front_, &back_}) {
            socket->set(zmq::sockopt::linger, 0);
        }
        front_.set(zmq::sockopt::rcvhwm, 1);
        front_.set(zmq::sockopt::rcvbuf, 4'096);
        back_.set(zmq::sockopt::sndhwm, 0);
        front_.set(zmq::sockopt::sndhwm, 0);
        fake::bind_to(front_, "tcp://127.0.0.1:*");
        endpoint = fake::last_endpoint(front_);
        inside_.bind("inproc://bell");
        outside_.connect("inproc://bell");
        thread_ = std::thread([this] { run(); });
    }
    ~Line() {
        stopping_ = true;
        ring();
        thread_.join();
    }
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    void hold(bool held) {
        held_ = held;
        ring();
        seen_.get();
    }

    std::string endpoint;

private:
    void ring() {
        outside_.send(zmq::const_buffer(), zmq::send_flags::none);
    }
    static std::pair<std::string, std::string> receive(zmq::socket_t& socket) {
        zmq::message_t name;
        zmq::message_t data;
        static_cast<void>(socket.recv(name));
        static_cast<void>(socket.recv(data));
        return {name.to_string(), data.to_string()};
    }
    /// Pass bytes on. An end that is hanging up takes none any more, and is not waited for.
    static void send(zmq::socket_t& socket, const std::string& name, const std::string& data) {
        if (zmq_send(socket.handle(), name.data(), name.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0) {
            zmq_send(socket.handle(), data.data(), data.size(), ZMQ_DONTWAIT);
        }
    }
    void run() {
        while (!stopping_) {
            zmq::pollitem_t items[] = {{inside_.handle(), 0, ZMQ_POLLIN, 0},
                                       {back_.handle(), 0, ZMQ_POLLIN, 0},
                                       {front_.handle(), 0, ZMQ_POLLIN, 0}};
            zmq::poll(items, held_ ? 2 : 3, -1ms);
            if ((items[0].revents & ZMQ_POLLIN) != 0) {
                zmq::message_t nothing;
                static_cast<void>(inside_.recv(nothing));
                seen_.put(1);
            }
            if ((items[1].revents & ZMQ_POLLIN) != 0) {
                const auto [name, data] = receive(back_);
                if (const auto found = backward_.find(name); found != backward_.end() && !data.empty()) {
                    send(front_, found->second, data);
                }
            }
            if (!held_ && (items[2].revents & ZMQ_POLLIN) != 0) {
                const auto [name, data] = receive(front_);
                if (forward_.count(name) == 0) {
                    const std::string other = "line-" + std::to_string(++lines_);
                    back_.set(zmq::sockopt::connect_routing_id, other);
                    back_.connect(to_);
                    forward_[name] = other;
                    backward_[other] = name;
                } else {
                    send(back_, forward_[name], data);  // no data: hung up, here as there
                    if (data.empty()) {
                        backward_.erase(forward_[name]);
                        forward_.erase(name);
                    }
                }
            }
        }
    }

    std::string to_;
    zmq::context_t context_;
    zmq::socket_t front_{context_, zmq::socket_type::stream};
    zmq::socket_t back_{context_, zmq::socket_type::stream};
    zmq::socket_t inside_{context_, zmq::socket_type::pair};
    zmq::socket_t outside_{context_, zmq::socket_type::pair};
    std::map<std::string, std::string> forward_;
    std::map<std::string, std::string> backward_;
    int lines_ = 0;
    std::atomic<bool> held_{false};
    std::atomic<bool> stopping_{false};
    fake::Queue<int> seen_;
    std::thread thread_;
};

/// Larger than what the system keeps of a connection that is not read.
Picture large_picture() {
    return Picture(4'000, 3'000);
}

}  // namespace

TEST_CASE("memory: what is lent comes back when the socket is closed") {
    zmq::context_t own;
    const maskbus::detail::Context context(&own, [](zmq::context_t*) {});
    auto socket = std::make_unique<maskbus::detail::Socket>(
        maskbus::detail::connect_socket(context, ZMQ_DEALER, "tcp://127.0.0.1:1", {}, {}).value_or_throw());
    const std::vector<std::uint8_t> pixels(1'000'000, 7);
    maskbus::wire::Message message;
    message.header = {0x80};
    message.attachments = {maskbus::Bytes::borrow(pixels.data(), pixels.size())};
    const auto loans = std::make_shared<maskbus::detail::Loans>();
    REQUIRE(maskbus::detail::send(*socket, message, loans));
    REQUIRE(maskbus::detail::send(*socket, message, loans));
    CHECK_FALSE(loans->wait_until(maskbus::detail::Clock::now() + 20ms));
    socket.reset();
    CHECK(loans->wait_until(maskbus::detail::Clock::now() + 20s));
}

TEST_CASE("memory: what is small, or may not be lent, is copied") {
    const std::vector<std::uint8_t> pixels(1'000'000, 7);
    const auto loans = std::make_shared<maskbus::detail::Loans>();
    const auto borrowed = maskbus::Bytes::borrow(pixels.data(), pixels.size());
    CHECK(maskbus::detail::to_frame(borrowed.slice(0, maskbus::detail::large - 1), loans).data() != pixels.data());
    CHECK(maskbus::detail::to_frame(borrowed, nullptr).data() != pixels.data());
    CHECK(maskbus::detail::to_frame(borrowed, loans).data() == pixels.data());
    CHECK(loans->wait_until(maskbus::detail::Clock::now()));
    const auto owned = maskbus::Bytes::own(pixels);
    CHECK(maskbus::detail::to_frame(owned, nullptr).data() == owned.data());
    CHECK(maskbus::detail::to_frame({}, loans).size() == 0);
}

TEST_CASE("memory: pixels reach the node as they are, copied, lent, with rows apart") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    for (int round = 0; round < 3; ++round) {  // copied first, lent once the node has been heard
        const Picture picture(800, 600);
        CHECK(client.segment(picture.view()).ok());
        CHECK(node.work.get().attachments.at(0) == picture.text());
    }
    std::vector<std::uint8_t> padded(1'000 * 600);
    for (std::size_t i = 0; i < padded.size(); ++i) {
        padded[i] = static_cast<std::uint8_t>(i % 253);
    }
    CHECK(client.segment(maskbus::ImageView::raw(padded.data(), 800, 600, maskbus::ImageEncoding::mono8, 1'000)).ok());
    const fake::Asked asked = node.work.get();
    CHECK(asked.number("step", -1, "image") == 1'000);
    CHECK(asked.attachments.at(0) == std::string(padded.begin(), padded.begin() + 1'000 * 599 + 800));
}

TEST_CASE("memory: pixels are the caller's again after a call that timed out in the middle of sending them") {
    fake::Node node;
    Line line(node.endpoint());
    for (int round = 0; round < 3; ++round) {
        maskbus::Client client = client_of(line.endpoint, 30s);
        REQUIRE(client.ping().ok());
        line.hold(true);
        auto picture = std::make_unique<Picture>(large_picture());
        maskbus::SegmentOptions options;
        options.deadline = 200ms;
        const auto begin = std::chrono::steady_clock::now();
        const std::string code = code_of(client.segment(picture->view(), {}, options));
        CHECK((code == "unreachable" || code == "deadline_exceeded"));
        CHECK(std::chrono::steady_clock::now() - begin < 5s);
        picture->pixels.assign(picture->pixels.size(), 0xee);
        picture.reset();
        line.hold(false);
        // Over the same line, so later than whatever there is left of the picture.
        CHECK(client.ping().ok());
    }
    CHECK(node.count("segment") == 0);
}

TEST_CASE("memory: and after the client was closed in the middle of sending them") {
    fake::Node node;
    Line line(node.endpoint());
    maskbus::Client client = client_of(line.endpoint, 30s);
    REQUIRE(client.ping().ok());
    line.hold(true);
    auto call = std::async(std::launch::async, [&] {
        auto picture = std::make_unique<Picture>(large_picture());
        const std::string code = code_of(client.segment(picture->view()));
        picture->pixels.assign(picture->pixels.size(), 0xee);
        return code;
    });
    std::this_thread::sleep_for(100ms);
    client.close();
    CHECK(call.get() == "closed");
    line.hold(false);
    CHECK(client_of(line.endpoint, 30s).ping().ok());
    CHECK(node.count("segment") == 0);
}

TEST_CASE("memory: a line that was held up for a while") {
    fake::Node node;
    Line line(node.endpoint());
    maskbus::Client client = client_of(line.endpoint, 60s);
    REQUIRE(client.ping().ok());
    line.hold(true);
    const Picture picture = large_picture();
    auto call = std::async(std::launch::async, [&] { return client.segment(picture.view()).ok(); });
    std::this_thread::sleep_for(100ms);
    line.hold(false);
    CHECK(call.get());
    CHECK(node.work.get().attachments.at(0) == picture.text());
}

TEST_CASE("memory: a reply that comes before the request has been sent does not leave pixels lent") {
    fake::Queue<fake::Asked> greeting;
    fake::Node node;
    Line line(node.endpoint());
    maskbus::Client client = client_of(line.endpoint, 30s);
    node.then([&](fake::Node& self, const fake::Asked& asked) {
        self.answer(asked);
        greeting.put(asked);
    });
    REQUIRE(client.segment(Picture().view()).ok());
    const fake::Asked known = greeting.get();  // whose connection the next call has as well
    line.hold(true);
    maskbus::SegmentOptions options;
    options.id = "foreseen";
    auto call = std::async(std::launch::async, [&] {
        auto picture = std::make_unique<Picture>(large_picture());
        const std::string code = code_of(client.segment(picture->view(), {}, options));
        picture->pixels.assign(picture->pixels.size(), 0xee);
        return code;
    });
    std::this_thread::sleep_for(100ms);
    node.do_there([&node, known] {
        fake::Asked foreseen = known;
        foreseen.head = fake::Header().set("op", "segment").set("id", "foreseen").bytes();
        node.send_error(foreseen, "internal");
    });
    CHECK(call.get() == "internal");
    line.hold(false);
    CHECK(client.ping().ok());
    CHECK(node.count("segment") == 1);
}
