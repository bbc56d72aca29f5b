// Images that the node keeps: sent once, sent again when they are lost, released.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
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

void wait_for(fake::Node& node, const std::string& op, std::size_t count) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (node.count(op) < count) {
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        std::this_thread::sleep_for(1ms);
    }
}

}  // namespace

TEST_CASE("images: pixels cross once") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    Picture picture(300, 200);
    const std::string sent = picture.text();
    {
        maskbus::EmbedOptions options;
        options.model = "m";
        const maskbus::KeptImage image = client.embed(picture.view(), options).value_or_throw();
        picture.pixels.assign(picture.pixels.size(), 0);
        CHECK(image.width() == 300);
        CHECK(image.height() == 200);
        CHECK(image.model() == "fake");
        for (double x = 0; x < 3; ++x) {
            CHECK(client.segment(image, {{{x, 2}}}).ok());
        }
        CHECK(code_of(client.segment(image, {{{300, 2}}})) == "invalid_value");
        node.forget();
        CHECK(client.segment(image, {{{1, 2}}}).ok());
    }
    wait_for(node, "release", 1);
    const auto embeds = node.asked("embed");
    REQUIRE(embeds.size() == 2);
    CHECK(embeds[0].attachments.at(0) == sent);
    CHECK(embeds[1].attachments.at(0) == sent);
    CHECK(embeds[0].text("model") == "m");
    CHECK(embeds[1].text("model") == "fake");
    for (const fake::Asked& asked : node.asked("segment")) {
        CHECK(asked.attachments.empty());
        CHECK(asked.text("model") == "fake");
    }
    CHECK(node.images() == 0);
}

TEST_CASE("images: one that the node loses gets another name") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    const std::string before = image.image_id();
    node.forget();
    CHECK(client.segment(image, {{{1, 2}}}).ok());
    CHECK(image.image_id() != before);
    CHECK(client.segment(image, {{{1, 2}}}).ok());
    CHECK(node.count("embed") == 2);
}

TEST_CASE("images: one that has expired is sent again") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    const std::string before = image.image_id();
    node.then(fake::error("image_expired", "image.image_id"));
    CHECK(client.segment(image, {{{1, 2}}}).ok());
    CHECK(image.image_id() != before);
    CHECK(node.count("embed") == 2);
}

TEST_CASE("images: one that the node keeps losing") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    const maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    node.then(fake::error("unknown_image"));
    node.then([](fake::Node& self, const fake::Asked& asked) { self.answer(asked); });
    node.then(fake::error("unknown_image"));
    CHECK(code_of(client.segment(image, {{{1, 2}}})) == "unknown_image");
    CHECK(node.count("embed") == 2);
}

TEST_CASE("images: many threads notice the loss, one sends") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 30s);
    const Picture picture(300, 300);
    const maskbus::KeptImage image = client.embed(picture.view()).value_or_throw();
    node.forget();
    std::atomic<int> right{0};
    std::vector<std::thread> crowd;
    for (int i = 0; i < 6; ++i) {
        crowd.emplace_back([&] { right += client.segment(image, {{{1, 2}}}).ok() ? 1 : 0; });
    }
    for (std::thread& one : crowd) {
        one.join();
    }
    CHECK(right == 6);
    CHECK(node.count("embed") == 2);
}

TEST_CASE("images: pixels that are gone are not sent again") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    image.forget_pixels();
    CHECK(client.segment(image, {{{1, 2}}}).ok());
    node.forget();
    CHECK(code_of(client.segment(image, {{{1, 2}}})) == "unknown_image");
    CHECK(node.count("embed") == 1);
}

TEST_CASE("images: the owner of pixels is held until the image is released") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    auto picture = std::make_shared<const Picture>(300, 300);
    const std::weak_ptr<const Picture> watched = picture;
    const maskbus::ImageView view = picture->view();
    maskbus::KeptImage image = client.embed(view, {}, std::move(picture)).value_or_throw();
    CHECK_FALSE(watched.expired());
    node.forget();
    CHECK(client.segment(image, {{{1, 2}}}).ok());
    CHECK(node.asked("embed").at(1).attachments.at(0) == Picture(300, 300).text());
    image.release();
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!watched.expired() && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(1ms);
    }
    CHECK(watched.expired());
}

TEST_CASE("images: handles that are of no use") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    maskbus::Client other = client_of(node.endpoint(), 10s);
    maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    CHECK(code_of(other.segment(image, {})) == "invalid_argument");
    maskbus::KeptImage moved = std::move(image);
    CHECK(code_of(client.segment(image, {})) == "invalid_argument");
    CHECK(image.image_id().empty());
    moved.release();
    moved.release();
    CHECK(code_of(client.segment(moved, {})) == "invalid_argument");
    wait_for(node, "release", 1);
    CHECK(client.ping().ok());
    CHECK(node.count("release") == 1);
}

TEST_CASE("images: errors of the node, and no image at all") {
    fake::Node node;
    maskbus::Client client = client_of(node.endpoint(), 10s);
    node.then(fake::error("invalid_image"));
    CHECK(code_of(client.embed(Picture().view())) == "invalid_image");
    CHECK(code_of(client.embed(maskbus::ImageView{})) != "");
    node.then([](fake::Node& self, const fake::Asked& asked) {
        self.send(asked, fake::reply("embed", asked.id()).set("model", "m").set("width", 8).set("height", 6));
    });
    CHECK(code_of(client.embed(Picture().view())) == "protocol");
}

TEST_CASE("images: a handle that outlives its client") {
    fake::Node node;
    std::optional<maskbus::KeptImage> image;
    {
        maskbus::Client client = client_of(node.endpoint(), 10s);
        image.emplace(client.embed(Picture().view()).value_or_throw());
    }
    CHECK(image->width() == 8);
    image.reset();
    CHECK(node.count("release") == 0);
}

TEST_CASE("images: a release goes out though the client ends at once") {
    fake::Node node;
    {
        maskbus::Client client = client_of(node.endpoint(), 10s);
        const maskbus::KeptImage image = client.embed(Picture().view()).value_or_throw();
    }
    wait_for(node, "release", 1);
    CHECK(node.images() == 0);
}
