// A camera and a viewer in one program: frames go out as fast as the node takes them, masks come in over a topic.
//
// The camera is a disc that moves over a dark picture; with -DMASKBUS_EXAMPLE_CAMERA and OpenCV's videoio, a real one.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <maskbus/maskbus.hpp>

#ifdef MASKBUS_EXAMPLE_CAMERA
#include <opencv2/videoio.hpp>
#endif

#include "arguments.hpp"

namespace {

using Clock = std::chrono::system_clock;

constexpr const char* usage =
    "usage: camera_stream [--endpoint E] [--model M] [--frames N] [--rate R] [--width W] [--height H] [--topic T]"
    " [--camera C]\n"
    "\n"
    "Send frames with a moving disc, and a click into it, publish the masks under a topic, and print a line for each "
    "that\n"
    "comes back over it: number of the frame, area of the mask in pixels, time since the frame was taken.\n"
    "A frame that is overtaken by a newer one before the node takes it is never sent.\n"
    "E: tcp://host:port or ipc://path (default: MASKBUS_ENDPOINT, else tcp://127.0.0.1:7710).\n"
    "M: one of the node's models (default: the node's own). N: frames to take (default: 100; 0: for ever).\n"
    "R: frames a second (default: 30). W, H: pixels (default: 640, 480). T: topic (default: masks/camera).\n"
    "C: number of a camera, where this was built with OpenCV, clicked on in its centre; default: the disc.\n"
    "Exit status: 0, 1 where frames could not be segmented, 2 for a wrong command line.";

/// One picture, and where to click.
struct Frame {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::vector<std::uint8_t> pixels;  // bgr8
    maskbus::Point click;
    std::int64_t seq = 0;
    Clock::time_point taken;

    [[nodiscard]] maskbus::ImageView view() const {
        return maskbus::ImageView::raw(pixels.data(), width, height, maskbus::ImageEncoding::bgr8);
    }
};

/// Draw a disc that goes round once in a hundred frames.
Frame draw(std::int64_t seq, std::uint32_t width, std::uint32_t height) {
    Frame frame;
    frame.width = width;
    frame.height = height;
    frame.seq = seq;
    frame.pixels.assign(std::size_t{3} * width * height, 40);
    const double radius = 0.15 * std::min(width, height);
    const double angle = 2 * 3.141592653589793 * static_cast<double>(seq % 100) / 100;
    frame.click = {width * (0.5 + std::cos(angle) / 4), height * (0.5 + std::sin(angle) / 4)};
    for (std::uint32_t y = 0; y < height; ++y) {
        for (std::uint32_t x = 0; x < width; ++x) {
            if (std::hypot(x - frame.click.x, y - frame.click.y) <= radius) {
                std::uint8_t* pixel = &frame.pixels[(std::size_t{y} * width + x) * 3];
                pixel[0] = 60;
                pixel[1] = 200;
                pixel[2] = 230;
            }
        }
    }
    frame.taken = Clock::now();
    return frame;
}

/// Where the camera leaves its newest frame, and the sender finds it.
class Newest {
public:
    void put(Frame frame) {
        const std::lock_guard<std::mutex> lock(mutex_);
        skipped_ += frame_ ? 1 : 0;
        frame_ = std::move(frame);
        changed_.notify_one();
    }
    void end() {
        const std::lock_guard<std::mutex> lock(mutex_);
        ended_ = true;
        changed_.notify_one();
    }
    /// Wait for a frame; nothing once the camera has ended.
    std::optional<Frame> take() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return frame_ || ended_; });
        return std::exchange(frame_, std::nullopt);
    }
    [[nodiscard]] int skipped() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return skipped_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Frame> frame_;
    bool ended_ = false;
    int skipped_ = 0;
};

int fail(const std::string& problem) {
    std::cerr << "camera_stream: " << problem << "\n";
    return EXIT_FAILURE;
}

/// Looks at what comes over the topic.
class Viewer {
public:
    /// Print a line.
    void show(const maskbus::Segmentation& masks) {
        const auto taken = std::chrono::nanoseconds(masks.stamp().value_or(0));
        if (taken < begin_) {
            return;  // the topic's last value, from before this program
        }
        const auto mask = masks.best();
        const std::chrono::duration<double, std::milli> latency = Clock::now().time_since_epoch() - taken;
        const std::int64_t seq = masks.seq().value_or(-1);
        std::cout << "seq " << seq << ", area " << (mask ? mask->area() : 0) << ", latency " << latency.count() << " ms"
                  << std::endl;
        const std::lock_guard<std::mutex> lock(mutex_);
        last_ = seq;
        changed_.notify_one();
    }
    /// Wait a moment for a frame to have been shown: masks come over the topic a little after, or before, the answer.
    void wait_for(std::int64_t seq) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait_for(lock, std::chrono::seconds(2), [&] { return last_ >= seq; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::chrono::nanoseconds begin_ = Clock::now().time_since_epoch();
    std::int64_t last_ = -1;
};

/// What is under way: so many frames that neither the network nor the node ever waits, and no more.
class Sender {
public:
    Sender(maskbus::Client& client, std::string model, std::string topic)
        : client_(client), model_(std::move(model)), topic_(std::move(topic)) {}

    void send(Frame frame) {
        while (under_way_.size() >= at_once) {
            settle();
        }
        const auto kept = std::make_shared<const Frame>(std::move(frame));
        maskbus::SegmentOptions options;
        options.model = model_;
        options.lane = maskbus::Lane::stream;
        options.stream = "camera";
        options.seq = kept->seq;
        options.stamp = std::chrono::duration_cast<std::chrono::nanoseconds>(kept->taken.time_since_epoch()).count();
        options.publish = topic_;
        maskbus::Prompt prompt;
        prompt.points = {kept->click};
        under_way_.push_back(client_.segment_async(kept->view(), prompt, options, kept));
    }
    /// Wait for the oldest.
    void settle() {
        const auto masks = under_way_.front().get();
        under_way_.erase(under_way_.begin());
        if (masks) {
            last_answered = masks->seq().value_or(-1);
        } else {
            ++failed;
            fail(masks.error().message);
        }
    }
    void settle_all() {
        while (!under_way_.empty()) {
            settle();
        }
    }

    int failed = 0;
    /// Number of the frame that was answered last.
    std::int64_t last_answered = -1;

private:
    static constexpr std::size_t at_once = 2;

    maskbus::Client& client_;
    std::string model_;
    std::string topic_;
    std::vector<std::future<maskbus::Result<maskbus::Segmentation>>> under_way_;
};

}  // namespace

int main(int count, char** texts) {
    const Arguments arguments(count, texts, usage, 0,
                              {"endpoint", "model", "frames", "rate", "width", "height", "topic", "camera"});
    const auto frames = static_cast<std::int64_t>(arguments.number("frames", 100, 0, 1e15));
    const std::chrono::duration<double> period(1 / arguments.number("rate", 30, 0.01, 10'000));
    const auto width = static_cast<std::uint32_t>(arguments.number("width", 640, 1, 8'000));
    const auto height = static_cast<std::uint32_t>(arguments.number("height", 480, 1, 8'000));
    const std::string topic = arguments.text("topic", "masks/camera");
#ifdef MASKBUS_EXAMPLE_CAMERA
    cv::VideoCapture camera;
    if (const std::string number = arguments.text("camera", ""); !number.empty()) {
        if (!camera.open(static_cast<int>(arguments.number("camera", 0, 0, 99)))) {
            return fail("camera " + number + " cannot be opened.");
        }
    }
#else
    if (!arguments.text("camera", "").empty()) {
        arguments.fail("This was built without OpenCV: there is no camera but the disc.");
    }
#endif

    maskbus::ClientOptions where;
    where.endpoint = arguments.text("endpoint", "");
    auto client = maskbus::Client::connect(where);
    if (!client) {
        return fail(client.error().message);
    }
    maskbus::SubscribeOptions wanted;
    wanted.newest = true;
    wanted.on_error = [](const maskbus::Error& error) { fail(error.message); };
    Viewer viewer;
    auto masks = client->subscribe(
        topic, [&viewer](const maskbus::Segmentation& found) { viewer.show(found); }, wanted);
    if (!masks) {
        return fail(masks.error().message);
    }

    Newest newest;
    std::thread taking([&] {
        auto due = std::chrono::steady_clock::now();
        for (std::int64_t seq = 0; frames == 0 || seq < frames; ++seq) {
#ifdef MASKBUS_EXAMPLE_CAMERA
            cv::Mat picture;
            if (camera.isOpened()) {
                if (!camera.read(picture)) {
                    break;
                }
                Frame frame;
                frame.width = static_cast<std::uint32_t>(picture.cols);
                frame.height = static_cast<std::uint32_t>(picture.rows);
                frame.pixels.assign(picture.datastart, picture.dataend);
                frame.click = {frame.width / 2.0, frame.height / 2.0};
                frame.seq = seq;
                frame.taken = Clock::now();
                newest.put(std::move(frame));
                continue;
            }
#endif
            newest.put(draw(seq, width, height));
            due += std::chrono::duration_cast<std::chrono::steady_clock::duration>(period);
            std::this_thread::sleep_until(due);
        }
        newest.end();
    });
    Sender sender(*client, arguments.text("model", ""), topic);
    std::int64_t sent = 0;
    while (std::optional<Frame> frame = newest.take()) {
        sender.send(*std::move(frame));
        ++sent;
    }
    sender.settle_all();
    taking.join();
    viewer.wait_for(sender.last_answered);
    masks->close();
    std::cout << sent << " frames sent, " << newest.skipped() << " skipped by the camera, " << masks->dropped()
              << " skipped by the viewer, " << sender.failed << " failed" << std::endl;
    return sender.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
