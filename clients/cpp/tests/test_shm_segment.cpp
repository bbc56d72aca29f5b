// Masks of images in shared memory, against a node that does as the test tells it.

#include <chrono>
#include <cstdint>
#include <cstring>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "maskbus/shm/segment.hpp"
#include "maskbus/shm/shared_memory.hpp"
#include "picture.hpp"
#include "shm_fake_node.hpp"

#if __has_include(<opencv2/core.hpp>)
#include "maskbus/shm/opencv.hpp"
#endif

using namespace std::chrono_literals;
using fake::Asked;
using fake::client_of;
using fake::code_of;
using fake::Lie;
using fake::SharedNode;
using maskbus::Client;
using maskbus::ImageEncoding;
using maskbus::shm::segment;
using maskbus::shm::segment_async;
using maskbus::shm::SharedImage;
using maskbus::shm::SharedMemory;
using maskbus::shm::SharedMemoryOptions;

namespace {

constexpr std::uint32_t width = 64;
constexpr std::uint32_t height = 32;

SharedMemoryOptions memory_of(int slots, bool checksum = true) {
    SharedMemoryOptions options;
    options.slots = slots;
    options.slot_bytes = std::size_t{width} * height * 3;
    options.checksum = checksum;
    return options;
}

maskbus::SegmentOptions raw_masks(std::chrono::milliseconds deadline = 0ms) {
    maskbus::SegmentOptions options;
    options.encodings = {maskbus::MaskEncoding::raw};
    options.deadline = deadline;
    return options;
}

/// Whether column x is bright in the image that goes by this number.
bool bright(std::size_t x, int number) {
    return (x + static_cast<std::size_t>(number)) % 5 < 2;
}

SharedImage drawn(SharedMemory& memory, int number) {
    SharedImage image = memory.image(width, height, ImageEncoding::rgb8).value_or_throw();
    for (std::size_t i = 0; i < image.size(); ++i) {
        image.data()[i] = bright(i / 3 % width, number) ? 200 : 50;
    }
    return image;
}

bool shows(const maskbus::Segmentation& masks, int number) {
    const maskbus::BinaryMask mask = masks.best().value_or_throw().decode().value_or_throw();
    for (std::uint32_t y = 0; y < height; ++y) {
        for (std::uint32_t x = 0; x < width; ++x) {
            if (mask.at(x, y) != bright(x, number)) {
                return false;
            }
        }
    }
    return true;
}

/// How many slots nobody uses, this moment.
std::size_t free_slots(SharedMemory& memory) {
    std::vector<SharedImage> taken;
    while (auto image = memory.image(width, height, ImageEncoding::rgb8)) {
        taken.push_back(*std::move(image));
    }
    return taken.size();
}

/// Wait until as many are free.
void await_free(SharedMemory& memory, std::size_t count) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (free_slots(memory) != count) {
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        std::this_thread::yield();
    }
}

}  // namespace

TEST_CASE("pixels and masks stay in shared memory") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    CHECK(memory.slots() == 3);
    CHECK(memory.slot_bytes() == 8192);
    std::optional<maskbus::Bytes> kept;
    {
        const SharedImage image = drawn(memory, 1);
        CHECK(image.width() == width);
        CHECK(image.height() == height);
        CHECK(image.step() == width * 3);
        CHECK(image.size() == width * height * 3);
        const auto masks = segment(client, image, {}, raw_masks());
        REQUIRE(masks.ok());
        CHECK(shows(*masks, 1));
        REQUIRE(masks->result());
        CHECK(masks->result()->index == 1);
        const Asked asked = node.asked("segment").at(0);
        CHECK(asked.attachments.empty());
        CHECK(asked.head.size() < 400);
        CHECK(SharedNode::image_of(asked)->index == 0);
        CHECK(SharedNode::image_of(asked)->generation == 2);
        CHECK(free_slots(memory) == 1);
        kept = masks->masks().at(0).raw();
        // The same image again, while the first answer is looked at.
        const auto more = segment(client, image, {}, raw_masks());
        REQUIRE(more.ok());
        CHECK(more->result()->index == 2);
        CHECK(shows(*more, 1));
    }
    CHECK(free_slots(memory) == 2);
    CHECK(kept->size() == width * height);
    kept.reset();
    CHECK(free_slots(memory) == 3);
}

TEST_CASE("a slot is used for one image after the other") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    SharedImage image = drawn(memory, 0);
    std::uint8_t* const place = image.data();
    for (int frame = 0; frame < 20; ++frame) {
        REQUIRE(image.rewrite().ok());
        for (std::size_t i = 0; i < image.size(); ++i) {
            place[i] = bright(i / 3 % width, frame) ? 200 : 50;
        }
        const auto masks = segment(client, image, {}, raw_masks());
        REQUIRE(masks.ok());
        REQUIRE(shows(*masks, frame));
    }
}

TEST_CASE("masks come as attachments where no slot is free, or none is wanted") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemoryOptions options = memory_of(1);
    SUBCASE("none free") {}
    SUBCASE("none wanted") {
        options.slots = 3;
        options.masks = false;
    }
    SharedMemory memory = SharedMemory::lease(client, options).value_or_throw();
    const SharedImage image = drawn(memory, 2);
    const auto masks = segment(client, image, {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 2));
    CHECK_FALSE(masks->result());
    CHECK_FALSE(SharedNode::result_of(node.asked("segment").at(0)));
}

TEST_CASE("no bytes, no slot for them") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    node.then("segment", [](SharedNode& there, const Asked& asked) {
        there.send(asked, fake::reply("segment", asked.id())
                              .set("model", "fake")
                              .set("width", width)
                              .set("height", height)
                              .maps("masks", {}));
    });
    maskbus::SegmentOptions options;
    options.encodings = {};
    REQUIRE(segment(client, drawn(memory, 0), {}, options).ok());
    CHECK_FALSE(SharedNode::result_of(node.asked("segment").at(0)));
}

TEST_CASE("images that cannot be") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    CHECK(code_of(memory.image(width, height + 11, ImageEncoding::rgb8)) == "too_large");
    CHECK(code_of(memory.image(0, height, ImageEncoding::rgb8)) == "invalid_value");
    CHECK(code_of(memory.image(width, 40'000, ImageEncoding::rgb8)) == "invalid_value");
    CHECK(code_of(memory.image(32'767, 32'767, ImageEncoding::mono8)) == "too_large");
    CHECK(code_of(memory.image(width, height, ImageEncoding::png)) == "invalid_value");
    CHECK(code_of(memory.image(width, height, ImageEncoding::rgb8, width * 3 - 1)) == "invalid_value");
    CHECK(code_of(memory.image(width, height, ImageEncoding::rgb8, std::size_t{1} << 40U)) == "invalid_value");
    CHECK(code_of(memory.image(width, height, ImageEncoding::rgb8, 270)) == "too_large");
    CHECK(code_of(memory.file(ImageEncoding::rgb8, 10)) == "invalid_value");
    CHECK(code_of(memory.file(ImageEncoding::png, 0)) == "invalid_value");
    CHECK(code_of(memory.file(ImageEncoding::png, 8193)) == "too_large");
    CHECK(code_of(memory.copy_of({})) == "invalid_value");
    CHECK(free_slots(memory) == 2);
    const SharedImage one = drawn(memory, 0);
    const SharedImage other = drawn(memory, 0);
    CHECK(code_of(memory.image(8, 8, ImageEncoding::rgb8)) == "no_free_slot");
}

TEST_CASE("leases that cannot be") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    for (const int slots : {0, -1, 65}) {
        CHECK(code_of(SharedMemory::lease(client, memory_of(slots))) == "invalid_value");
    }
    SharedMemoryOptions none = memory_of(1);
    none.slot_bytes = 0;
    CHECK(code_of(SharedMemory::lease(client, none)) == "invalid_value");
    CHECK(node.asked("lease").empty());
    for (const char* code : {"no_shared_memory", "too_large"}) {
        node.then("lease", [=](SharedNode& there, const Asked& asked) { there.send_error(asked, code); });
        CHECK(code_of(SharedMemory::lease(client, memory_of(1))) == code);
    }
    Client elsewhere = std::move(client);
    CHECK(code_of(SharedMemory::lease(client, memory_of(1))) == "closed");
}

TEST_CASE("a lease that is not what it is said to be is given back") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SUBCASE("another file") {
        node.then("lease", [](SharedNode& there, const Asked& asked) { there.lease(asked, 0, 1); });
    }
    SUBCASE("another number of slots") {
        node.then("lease", [](SharedNode& there, const Asked& asked) { there.lease(asked, 1); });
    }
    CHECK(code_of(SharedMemory::lease(client, memory_of(2))) == "protocol");
    while (node.done.get().op() != "return") {
    }
    CHECK(node.leases() == 0);
}

TEST_CASE("a view of an image elsewhere is copied") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(4)).value_or_throw();
    std::vector<std::uint8_t> pixels(300 * height);
    for (std::size_t i = 0; i < pixels.size(); ++i) {
        pixels[i] = i % 300 < width * 3 && bright(i % 300 / 3, 3) ? 200 : 50;
    }
    // With padding it would not fit.
    const auto image = memory.copy_of(maskbus::ImageView::raw(pixels.data(), width, height, ImageEncoding::rgb8, 300));
    REQUIRE(image.ok());
    CHECK(image->step() == width * 3);
    const auto masks = segment(client, *image, {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 3));
    maskbus::ImageView cut = maskbus::ImageView::raw(pixels.data(), width, height, ImageEncoding::rgb8);
    cut.bytes -= 1;
    CHECK(code_of(memory.copy_of(cut)) == "invalid_image");

    const std::string file = "\x89PNG\r\n\x1a\n and so on";
    const auto png = memory.copy_of(maskbus::ImageView::file(file.data(), file.size()));
    REQUIRE(png.ok());
    CHECK(png->size() == file.size());
    CHECK(png->width() == 0);
    CHECK(png->step() == 0);
    CHECK(std::memcmp(png->data(), file.data(), file.size()) == 0);
}

TEST_CASE("rows with padding") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemoryOptions options = memory_of(2);
    options.slot_bytes = 256 * height;
    SharedMemory memory = SharedMemory::lease(client, options).value_or_throw();
    const SharedImage image = memory.image(width, height, ImageEncoding::rgb8, 256).value_or_throw();
    CHECK(image.step() == 256);
    CHECK(image.size() == 256 * (height - 1) + width * 3);
    CHECK(image.view().bytes == image.size());
    CHECK(image.view().step == 256);
    for (std::size_t y = 0; y < height; ++y) {
        for (std::size_t x = 0; x < width * 3; ++x) {
            image.data()[y * 256 + x] = bright(x / 3, 4) ? 255 : 0;
        }
    }
    const auto masks = segment(client, image, {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 4));
}

TEST_CASE("a node that was restarted leases again") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    const SharedImage image = drawn(memory, 5);
    node.forget();
    auto masks = segment(client, image, {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 5));
    CHECK(masks->result()->lease == "lease-2");
    CHECK(node.asked("lease").size() == 2);
    // The image lies where it lay; the next one lies in the new lease.
    masks = segment(client, image, {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 5));
    CHECK(node.asked("lease").size() == 2);
    masks = segment(client, drawn(memory, 6), {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 6));
    CHECK(node.asked("segment").size() == 5);
}

TEST_CASE("a node that knows no lease at all is not asked for ever") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    for (int time = 0; time < 2; ++time) {
        node.then("segment", [](SharedNode& there, const Asked& asked) { there.send_error(asked, "unknown_lease"); });
    }
    CHECK(code_of(segment(client, drawn(memory, 0), {}, raw_masks())) == "unknown_lease");
    CHECK(node.asked("segment").size() == 2);
    CHECK(node.asked("lease").size() == 2);

    // Now it gives none any more.
    node.forget();
    node.then("lease", [](SharedNode& there, const Asked& asked) { there.send_error(asked, "no_shared_memory"); });
    CHECK(code_of(segment(client, drawn(memory, 0), {}, raw_masks())) == "no_shared_memory");
}

TEST_CASE("threads that find the lease gone have one other") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(8)).value_or_throw();
    std::vector<SharedImage> images;
    for (int number = 0; number < 4; ++number) {
        images.push_back(drawn(memory, number));
    }
    node.forget();
    std::vector<std::future<bool>> found;
    for (int number = 0; number < 4; ++number) {
        found.push_back(std::async(std::launch::async, [&, number] {
            const auto masks = segment(client, images[static_cast<std::size_t>(number)], {}, raw_masks());
            return masks.ok() && shows(*masks, number);
        }));
    }
    for (std::future<bool>& one : found) {
        CHECK(one.get());
    }
    CHECK(node.asked("lease").size() == 2);
}

TEST_CASE("an answer that is not what it is said to be") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    Lie lie;
    SUBCASE("another generation") {
        lie.generation = 2;
    }
    SUBCASE("a generation that is odd") {
        lie.generation = 1;
    }
    SUBCASE("a slot that was not offered") {
        lie.index = 1;
    }
    SUBCASE("a slot that there is none of") {
        lie.index = 70;
    }
    SUBCASE("a negative slot") {
        lie.index = -9;
    }
    SUBCASE("another lease") {
        lie.lease = "lease-9";
    }
    SUBCASE("bytes beyond the answer's end") {
        lie.longer = 1;
    }
    SUBCASE("bytes far beyond the slot") {
        lie.longer = std::size_t{1} << 40U;
    }
    SUBCASE("damaged bytes") {
        lie.damaged = true;
    }
    node.then("segment", [=](SharedNode& there, const Asked& asked) { there.segment(asked, lie); });
    CHECK(code_of(segment(client, drawn(memory, 0), {}, raw_masks())) == "protocol");
    await_free(memory, 3);
    CHECK(segment(client, drawn(memory, 0), {}, raw_masks()).ok());
}

TEST_CASE("bytes in shared memory that nobody offered") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemoryOptions options = memory_of(2);
    options.masks = false;
    SharedMemory memory = SharedMemory::lease(client, options).value_or_throw();
    node.then("segment", [](SharedNode& there, const Asked& asked) {
        fake::Header mask;
        mask.set("bbox", std::vector<int>{0, 0, 0, 0})
            .set("area", 0)
            .set("predicted_iou", 1.0)
            .set("stability_score", 1.0)
            .map("raw", fake::Header().set("shared", std::vector<int>{0, width * height}));
        const fake::NamedSlot image = *SharedNode::image_of(asked);
        there.send(asked, fake::reply("segment", asked.id())
                              .set("model", "fake")
                              .set("width", width)
                              .set("height", height)
                              .maps("masks", {mask})
                              .map("result", fake::Header()
                                                 .set("lease", image.lease)
                                                 .set("index", image.index)
                                                 .set("generation", image.generation)));
    });
    CHECK(code_of(segment(client, drawn(memory, 0), {}, raw_masks())) == "protocol");
}

TEST_CASE("an error leaves all slots free") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    node.then("segment", [](SharedNode& there, const Asked& asked) {
        there.begin_answer(*SharedNode::result_of(asked));
        there.drop_answer(*SharedNode::result_of(asked));
        there.send_error(asked, "internal");
    });
    CHECK(code_of(segment(client, drawn(memory, 0), {}, raw_masks())) == "internal");
    CHECK(free_slots(memory) == 3);
    // What cannot be right is not even sent.
    maskbus::Prompt prompt;
    prompt.points = {{1e9, 1}};
    CHECK(code_of(segment(client, drawn(memory, 0), prompt, raw_masks())) == "invalid_value");
    CHECK(free_slots(memory) == 3);
    CHECK(node.asked("segment").size() == 1);
}

TEST_CASE("the next try names the slot as it is then") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    SUBCASE("free at another generation") {
        node.then("segment", [](SharedNode& there, const Asked& asked) {
            there.begin_answer(*SharedNode::result_of(asked));
            there.drop_answer(*SharedNode::result_of(asked));
            there.send_error(asked, "busy");
        });
        const auto masks = segment(client, drawn(memory, 7), {}, raw_masks());
        REQUIRE(masks.ok());
        CHECK(shows(*masks, 7));
        const auto asked = node.asked("segment");
        REQUIRE(asked.size() == 2);
        CHECK(SharedNode::result_of(asked[0])->index == SharedNode::result_of(asked[1])->index);
        CHECK(SharedNode::result_of(asked[0])->generation + 2 == SharedNode::result_of(asked[1])->generation);
        CHECK(SharedNode::image_of(asked[0])->generation == SharedNode::image_of(asked[1])->generation);
    }
    SUBCASE("still being written to") {
        node.then("segment", [](SharedNode& there, const Asked& asked) {
            there.begin_answer(*SharedNode::result_of(asked));
            there.send_error(asked, "busy");
        });
        const auto masks = segment(client, drawn(memory, 8), {}, raw_masks());
        REQUIRE(masks.ok());
        CHECK(shows(*masks, 8));
        const auto asked = node.asked("segment");
        REQUIRE(asked.size() == 2);
        CHECK(SharedNode::result_of(asked[0])->index != SharedNode::result_of(asked[1])->index);
        // The first one stays the node's until it says otherwise.
        await_free(memory, 1);
        node.drop_answer(*SharedNode::result_of(asked[0]));
        await_free(memory, 2);
    }
}

TEST_CASE("a call that gave up does not get its slots mixed up") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    std::optional<Asked> late;
    node.then("segment", [&](SharedNode& there, const Asked& asked) {
        there.begin_answer(*SharedNode::result_of(asked));
        there.running = 1;
        late = asked;
    });
    CHECK(code_of(segment(client, drawn(memory, 1), {}, raw_masks(100ms))) == "deadline_exceeded");
    while (node.done.get().op() != "segment") {
    }
    // The node still has the slot of the answer.
    await_free(memory, 1);
    const auto masks = segment(client, drawn(memory, 2), {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 2));
    CHECK_FALSE(masks->result());
    node.drop_answer(*SharedNode::result_of(*late));
    await_free(memory, 2);
}

TEST_CASE("what a lost request names is left as it is") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    node.running = 1;
    node.then("segment", [](SharedNode&, const Asked&) {});
    CHECK(code_of(segment(client, drawn(memory, 1), {}, raw_masks(100ms))) == "deadline_exceeded");
    while (node.done.get().op() != "segment") {
    }
    // The image is gone here. The node, which might still be about to look, finds what it was told of.
    CHECK(node.file("lease-1")->entry(0).state == maskbus::shm::SlotState::written);
    CHECK(node.file("lease-1")->entry(0).generation == 2);
    await_free(memory, 2);
}

TEST_CASE("calls that do not block") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(8)).value_or_throw();
    std::vector<std::future<maskbus::Result<maskbus::Segmentation>>> found;
    for (int number = 0; number < 4; ++number) {
        // The image is destroyed here, and its slot is not used again before the answer is there.
        found.push_back(segment_async(client, drawn(memory, number), {}, raw_masks()));
    }
    for (int number = 0; number < 4; ++number) {
        const auto masks = found[static_cast<std::size_t>(number)].get();
        REQUIRE(masks.ok());
        CHECK(shows(*masks, number));
        CHECK(masks->result());
    }
    await_free(memory, 8);

    REQUIRE(memory.renew(client).ok());
    CHECK(node.asked("lease").size() == 1);
    node.forget();
    auto one = segment_async(client, drawn(memory, 0), {}, raw_masks());
    auto other = segment_async(client, drawn(memory, 0), {}, raw_masks());
    CHECK(code_of(one.get()) == "unknown_lease");
    REQUIRE(memory.renew(client).ok());
    // The same news once more is none.
    CHECK(code_of(other.get()) == "unknown_lease");
    REQUIRE(memory.renew(client).ok());
    CHECK(node.asked("lease").size() == 2);
    CHECK(segment_async(client, drawn(memory, 0), {}, raw_masks()).get().ok());
}

TEST_CASE("a slot is held as long as its request is under way") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    std::promise<void> go_on;
    node.then("segment", [&](SharedNode& there, const Asked& asked) {
        go_on.get_future().wait();
        there.segment(asked);
    });
    auto found = segment_async(client, drawn(memory, 3), {}, raw_masks());
    CHECK(free_slots(memory) <= 1);
    go_on.set_value();
    const auto masks = found.get();
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 3));
}

TEST_CASE("the lease is given back when the memory and its images are gone") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    std::optional<SharedMemory> memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
    std::optional<SharedImage> image = drawn(*memory, 1);
    auto masks = segment(client, *image, {}, raw_masks());
    REQUIRE(masks.ok());
    memory.reset();
    const auto more = segment(client, *image, {}, raw_masks());
    CHECK(more.ok());
    CHECK(node.asked("return").empty());
    image.reset();
    while (node.done.get().op() != "return") {
    }
    CHECK(node.asked("return").at(0).text("lease") == "lease-1");
    CHECK(node.leases() == 0);
    // What is looked at is still there.
    CHECK(shows(*masks, 1));
}

TEST_CASE("the lease is not given back under a request") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    std::optional<SharedMemory> memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    std::promise<void> go_on;
    node.then("segment", [&](SharedNode& there, const Asked& asked) {
        go_on.get_future().wait();
        there.segment(asked);
    });
    auto found = segment_async(client, drawn(*memory, 4), {}, raw_masks());
    memory.reset();
    go_on.set_value();
    const auto masks = found.get();
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 4));
    while (node.done.get().op() != "return") {
    }
}

TEST_CASE("memory and masks may outlive their client") {
    SharedNode node;
    std::optional<SharedMemory> memory;
    std::optional<maskbus::Segmentation> masks;
    std::optional<SharedImage> image;
    {
        Client client = client_of(node.endpoint(), 20s);
        memory = SharedMemory::lease(client, memory_of(3)).value_or_throw();
        image = drawn(*memory, 1);
        masks = segment(client, *image, {}, raw_masks()).value_or_throw();
        client.close();
        CHECK(code_of(segment(client, *image, {}, raw_masks())) == "closed");
    }
    CHECK(shows(*masks, 1));
    Client other = client_of(node.endpoint(), 20s);
    CHECK(code_of(segment(other, *image, {}, raw_masks())) == "invalid_argument");
    CHECK(code_of(segment_async(other, *image, {}, raw_masks()).get()) == "invalid_argument");
    CHECK(code_of(memory->renew(other)) == "invalid_argument");
}

TEST_CASE("what was moved elsewhere") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemory memory = SharedMemory::lease(client, memory_of(2)).value_or_throw();
    SharedImage image = drawn(memory, 1);
    const SharedImage image_now = std::move(image);
    CHECK(image.data() == nullptr);
    CHECK(image.size() == 0);
    CHECK(image.step() == 0);
    image.finish();
    CHECK(code_of(image.rewrite()) == "invalid_argument");
    CHECK(code_of(image.resize(1)) == "invalid_argument");
    CHECK(code_of(segment(client, image, {}, raw_masks())) == "invalid_argument");
    SharedMemory memory_now = std::move(memory);
    CHECK(memory.slots() == 0);
    CHECK(memory.slot_bytes() == 0);
    CHECK(code_of(memory.image(8, 8, ImageEncoding::rgb8)) == "invalid_argument");
    CHECK(code_of(memory.renew(client)) == "invalid_argument");
    CHECK(memory_now.slots() == 2);
    CHECK(segment(client, image_now, {}, raw_masks()).ok());
}

#if __has_include(<opencv2/core.hpp>)

TEST_CASE("OpenCV draws into the slot") {
    SharedNode node;
    Client client = client_of(node.endpoint(), 20s);
    SharedMemoryOptions options = memory_of(3);
    options.slot_bytes = 256 * height;
    SharedMemory memory = SharedMemory::lease(client, options).value_or_throw();
    const SharedImage image = memory.image(width, height, ImageEncoding::bgr8, 256).value_or_throw();
    cv::Mat mat = maskbus::shm::mat_of(image);
    CHECK(mat.data == image.data());
    CHECK(mat.type() == CV_8UC3);
    CHECK(mat.step[0] == 256);
    mat.setTo(cv::Scalar(50, 1, 1));
    for (int x = 0; x < mat.cols; ++x) {
        if (bright(static_cast<std::size_t>(x), 9)) {
            mat.col(x).setTo(cv::Scalar(200, 1, 1));
        }
    }
    const auto masks = segment(client, image, {}, raw_masks());
    REQUIRE(masks.ok());
    CHECK(shows(*masks, 9));
    CHECK(maskbus::shm::mat_of(memory.file(ImageEncoding::png, 8).value_or_throw()).empty());
}

#endif
