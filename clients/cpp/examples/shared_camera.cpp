// A camera whose frames never leave shared memory: it writes each into a slot of a ring, the node looks at it there,
// and the mask comes back in another slot. Prints the latency of each frame, and at the end the median and the 99th
// percentile.
//
//     shared_camera [frames [width height [model]]]       the node: $MASKBUS_ENDPOINT, else tcp://127.0.0.1:7710

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "maskbus/maskbus.hpp"
#include "maskbus/shm/segment.hpp"
#include "maskbus/shm/shared_memory.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// A grey scene with a bright square that moves. `render` writes a frame where it is told to, as a driver would.
class Camera {
public:
    Camera(std::uint32_t width, std::uint32_t height)
        : width_(width), height_(height), side_(std::min(width, height) / 4) {}

    [[nodiscard]] maskbus::Box square(int frame) const {
        const auto at = [this, frame](std::uint32_t size) {
            return static_cast<double>(static_cast<std::uint32_t>(frame) * 8 % (size - side_));
        };
        const double x = at(width_);
        const double y = at(height_);
        return {x, y, x + side_, y + side_};
    }

    void render(std::uint8_t* bgr, std::size_t step, int frame) const {
        const maskbus::Box box = square(frame);
        const auto left = static_cast<std::size_t>(box.x0);
        for (std::uint32_t y = 0; y < height_; ++y) {
            std::uint8_t* row = bgr + y * step;
            std::memset(row, static_cast<int>(40 + y * 60 / height_), std::size_t{width_} * 3);
            if (y >= box.y0 && y < box.y1) {
                std::memset(row + left * 3, 230, std::size_t{side_} * 3);
            }
        }
    }

private:
    std::uint32_t width_;
    std::uint32_t height_;
    std::uint32_t side_;
};

/// A frame's way to the node: through shared memory, or where the node gives none, as an attachment.
class Frames {
public:
    Frames(maskbus::Client& client, std::uint32_t width, std::uint32_t height)
        : client_(client), width_(width), height_(height) {}

    /// Ask for three slots: the frame, its mask, and the next frame meanwhile.
    maskbus::Result<void> prepare() {
        const std::size_t bytes = std::size_t{width_} * height_ * 3;
        maskbus::shm::SharedMemoryOptions options;
        options.slots = 3;
        options.slot_bytes = bytes;
        maskbus::Result<maskbus::shm::SharedMemory> leased = maskbus::shm::SharedMemory::lease(client_, options);
        if (leased) {
            memory_ = *std::move(leased);
            return {};
        }
        if (leased.error().code != maskbus::codes::no_shared_memory) {
            return std::move(leased).error();
        }
        std::printf("%s Frames are sent instead.\n", leased.error().message.c_str());
        pixels_.resize(bytes);
        return {};
    }

    maskbus::Result<maskbus::Segmentation> segment(const Camera& camera, int frame,
                                                   const maskbus::SegmentOptions& options) {
        maskbus::Prompt prompt;
        prompt.boxes = {camera.square(frame)};
        if (memory_) {
            maskbus::Result<maskbus::shm::SharedImage> image =
                memory_->image(width_, height_, maskbus::ImageEncoding::bgr8);
            if (!image) {
                return std::move(image).error();
            }
            camera.render(image->data(), image->step(), frame);
            began = Clock::now();
            return maskbus::shm::segment(client_, *image, prompt, options);
        }
        camera.render(pixels_.data(), std::size_t{width_} * 3, frame);
        began = Clock::now();
        return client_.segment(maskbus::ImageView::raw(pixels_.data(), width_, height_, maskbus::ImageEncoding::bgr8),
                               prompt, options);
    }

    /// When the last frame was there.
    Clock::time_point began{};

private:
    maskbus::Client& client_;
    std::uint32_t width_;
    std::uint32_t height_;
    std::optional<maskbus::shm::SharedMemory> memory_;
    std::vector<std::uint8_t> pixels_;
};

int fail(const maskbus::Error& error) {
    std::fprintf(stderr, "%s: %s %s\n", error.code.c_str(), error.message.c_str(), error.path.c_str());
    return 1;
}

double at_part(const std::vector<double>& sorted, double part) {
    return sorted[static_cast<std::size_t>(std::lround(part * static_cast<double>(sorted.size() - 1)))];
}

int run(int frames, std::uint32_t width, std::uint32_t height, const std::string& model) {
    maskbus::Result<maskbus::Client> client = maskbus::Client::connect();
    if (!client) {
        return fail(client.error());
    }
    Frames way(*client, width, height);
    if (const maskbus::Result<void> prepared = way.prepare(); !prepared) {
        return fail(prepared.error());
    }
    const Camera camera(width, height);
    maskbus::SegmentOptions options;
    options.model = model;
    options.encodings = {maskbus::MaskEncoding::raw};
    options.lane = maskbus::Lane::stream;
    std::vector<double> latencies;
    for (int frame = 0; frame < frames; ++frame) {
        const maskbus::Result<maskbus::Segmentation> masks = way.segment(camera, frame, options);
        if (!masks) {
            return fail(masks.error());
        }
        const std::chrono::duration<double, std::milli> latency = Clock::now() - way.began;
        latencies.push_back(latency.count());
        const maskbus::Result<maskbus::Mask> mask = masks->best();
        std::printf("frame %4d: %7.3f ms, %lld pixels\n", frame, latency.count(),
                    mask ? static_cast<long long>(mask->area()) : 0LL);
    }
    std::sort(latencies.begin(), latencies.end());
    std::printf("%zu frames of %u x %u: p50 %.3f ms, p99 %.3f ms\n", latencies.size(), width, height,
                at_part(latencies, 0.5), at_part(latencies, 0.99));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int index, long fallback) {
        return argc > index ? std::strtol(argv[index], nullptr, 10) : fallback;
    };
    const long frames = number(1, 300);
    const long width = number(2, 1920);
    const long height = number(3, 1080);
    if (frames < 1 || width < 8 || height < 8 || width > 32'767 || height > 32'767) {
        std::fprintf(stderr, "usage: shared_camera [frames [width height [model]]]\n");
        return 2;
    }
    return run(static_cast<int>(frames), static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height),
               argc > 4 ? argv[4] : "");
}
