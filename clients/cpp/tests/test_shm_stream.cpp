// Frames of a stream in shared memory: whose a slot is, and what becomes of it when something goes wrong.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "maskbus/shm/shared_memory.hpp"
#include "maskbus/shm/stream.hpp"
#include "picture.hpp"
#include "shm_fake_node.hpp"

using namespace std::chrono_literals;
using fake::Asked;
using fake::client_of;
using fake::code_of;
using fake::SharedNode;
using maskbus::ImageEncoding;
using maskbus::Stream;
using maskbus::shm::SharedImage;
using maskbus::shm::SharedMemory;
using maskbus::shm::SlotOwner;
using maskbus::shm::SlotState;

namespace {

constexpr std::uint32_t width = 8;
constexpr std::uint32_t height = 6;

void opens(SharedNode& node, const Asked& asked) {
    node.send(asked, fake::reply("stream.open", asked.id())
                         .set("stream", asked.text("stream"))
                         .set("model", "fake")
                         .set("topic", "masks/front/fake")
                         .set("frames_topic", "frames/front"));
}

/// Take a frame as a node should, and read it until told otherwise.
void takes(SharedNode& node, const Asked& asked) {
    const fake::NamedSlot slot = *SharedNode::image_of(asked);
    node.file(slot.lease)->set(static_cast<std::size_t>(slot.index), SlotState::reading, SlotOwner::node);
    node.send(asked, fake::reply("stream.frame", asked.id()).set("stream", "front"));
}

SharedNode::Script refuses(const std::string& code) {
    return [code](SharedNode& node, const Asked& asked) { node.send_error(asked, code, "stream"); };
}

void ignores(SharedNode& /*node*/, const Asked& /*asked*/) {}

/// A stream, and two slots for its frames.
struct Camera {
    Camera() {
        node.then("stream.open", opens);
        stream.emplace(client.open_stream("front").value_or_throw());
        maskbus::shm::SharedMemoryOptions options;
        options.slots = 2;
        options.slot_bytes = std::size_t{3} * width * height;
        memory.emplace(SharedMemory::lease(client, options).value_or_throw());
        settle(2);
    }
    /// Wait for the node to have dealt with so many requests; return the last.
    Asked settle(int count = 1) {
        for (; count > 1; --count) {
            static_cast<void>(node.done.get());
        }
        return node.done.get();
    }
    [[nodiscard]] maskbus::Result<SharedImage> image() {
        maskbus::Result<SharedImage> made = memory->image(width, height, ImageEncoding::rgb8);
        if (made) {
            std::fill_n(made->data(), made->size(), std::uint8_t{200});
        }
        return made;
    }
    /// Have the stream read what has come until something is so.
    template <class So>
    void read_until(So so) {
        const auto give_up = std::chrono::steady_clock::now() + 20s;
        while (!so()) {
            REQUIRE(std::chrono::steady_clock::now() < give_up);
            std::this_thread::yield();
        }
    }
    /// The node has looked at all there is.
    void let_go(const std::string& lease) {
        for (std::size_t index = 0; index < 2; ++index) {
            if (node.file(lease)->entry(index).state == SlotState::reading) {
                node.file(lease)->set(index, SlotState::written, SlotOwner::client);
            }
        }
    }

    SharedNode node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    std::optional<Stream> stream;
    std::optional<SharedMemory> memory;
};

}  // namespace

TEST_CASE("streams in memory: a slot is the frame's until the node has it, and then until it has looked at it") {
    Camera camera;
    camera.node.then("stream.frame", takes);
    std::optional<SharedImage> image = camera.image().value_or_throw();
    CHECK(maskbus::shm::send(*camera.stream, *image).value_or_throw());
    const Asked asked = camera.settle();
    CHECK(asked.attachments.empty());
    CHECK_FALSE(asked.id().empty());
    CHECK(asked.number("seq") == 0);
    const fake::NamedSlot slot = *SharedNode::image_of(asked);
    CHECK(camera.node.file(slot.lease)->slot(static_cast<std::size_t>(slot.index))[0] == 200);
    CHECK(code_of(image->rewrite()) == "slot_in_use");
    image.reset();

    const maskbus::Result<SharedImage> other = camera.image();
    CHECK(other.ok());
    CHECK(code_of(camera.image()) == "no_free_slot");
    camera.let_go(slot.lease);
    // It is free once its answer has been read.
    camera.read_until([&] { return camera.stream->check().ok() && camera.image().ok(); });
    CHECK(camera.stream->sent() == 1);
}

TEST_CASE("streams in memory: a slot that the node still reads is not handed out") {
    Camera camera;
    camera.node.then("stream.frame", takes);
    camera.node.then("stream.frame", refuses("invalid_value"));
    CHECK(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());
    const fake::NamedSlot slot = *SharedNode::image_of(camera.settle());
    CHECK(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());
    camera.settle();
    camera.read_until([&] { return code_of(camera.stream->check()) == "invalid_value"; });
    // The second is over, and so is what was said of the first; but that is being read.
    const maskbus::Result<SharedImage> second = camera.image();
    CHECK(second.ok());
    CHECK(code_of(camera.image()) == "no_free_slot");
    camera.let_go(slot.lease);
    CHECK(camera.image().ok());
}

TEST_CASE("streams in memory: a frame that is not sent has its slot back") {
    Camera camera;
    camera.node.then("stream.frame", refuses("unknown_stream"));
    camera.node.then("stream.open", refuses("model_unavailable"));
    CHECK(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());
    camera.settle();
    camera.read_until([&] { return camera.stream->check().ok() && camera.stream->lost() == 1; });
    camera.node.then("stream.frame", refuses("unknown_stream"));
    CHECK(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());  // behind the refusal
    camera.settle(2);
    camera.read_until([&] { return code_of(camera.stream->check()) == "model_unavailable"; });
    camera.read_until([&] { return camera.stream->check().ok() && camera.stream->lost() == 2; });
    for (int frame = 0; frame < 5; ++frame) {
        CHECK_FALSE(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());
    }
    CHECK(camera.stream->dropped() == 5);
    const maskbus::Result<SharedImage> first = camera.image();
    CHECK(first.ok());
    CHECK(camera.image().ok());
}

TEST_CASE("streams in memory: pixels are sent to a node that does not know the memory, until it is leased again") {
    Camera camera;
    camera.node.then("stream.frame", refuses("unknown_lease"));
    SharedImage image = camera.image().value_or_throw();
    CHECK(maskbus::shm::send(*camera.stream, image).value_or_throw());
    camera.settle();
    camera.read_until([&] { return code_of(camera.stream->check()) == "unknown_lease"; });
    camera.node.then("stream.frame", ignores);
    CHECK(maskbus::shm::send(*camera.stream, image).value_or_throw());
    const Asked sent = camera.settle();
    REQUIRE(sent.attachments.size() == 1);
    CHECK(sent.attachments[0] == std::string(std::size_t{3} * width * height, '\xc8'));
    CHECK(sent.text("encoding", "image") == "rgb8");
    CHECK(camera.memory->renew(camera.client).ok());
    camera.settle();
    camera.node.then("stream.frame", takes);
    CHECK(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());
    CHECK(camera.settle().attachments.empty());
}

TEST_CASE("streams in memory: what is not its own") {
    Camera camera;
    Camera other;
    SharedImage image = other.image().value_or_throw();
    CHECK(code_of(maskbus::shm::send(*camera.stream, image)) == "invalid_argument");
    Stream moved = *std::move(camera.stream);
    // NOLINTNEXTLINE(bugprone-use-after-move): that is tested
    CHECK(code_of(maskbus::shm::send(*camera.stream, image)) == "closed");
    SharedImage own = camera.image().value_or_throw();
    const SharedImage elsewhere = std::move(own);
    CHECK(code_of(maskbus::shm::send(moved, own)) == "invalid_argument");  // NOLINT(bugprone-use-after-move)
    camera.node.then("stream.list", refuses("internal"));
    camera.node.then("stream.close", refuses("unknown_stream"));
    CHECK(moved.close()->received == 0);
    CHECK(code_of(maskbus::shm::send(moved, elsewhere)) == "closed");
    CHECK(elsewhere.view().bytes == std::size_t{3} * width * height);
}

TEST_CASE("streams in memory: the slot of a frame that was never answered rests a moment") {
    Camera camera;
    camera.node.then("stream.frame", ignores);
    CHECK(maskbus::shm::send(*camera.stream, camera.image().value_or_throw()).value_or_throw());
    camera.settle();
    const maskbus::Result<SharedImage> other = camera.image();
    CHECK(other.ok());
    CHECK(code_of(camera.image()) == "no_free_slot");
    camera.stream.reset();
    camera.read_until([&] { return camera.image().ok(); });
}
