// A camera and a viewer in one program: frames go out as a stream, the node follows one object in them, and its masks
// come in over a topic.
//
// The camera is a disc that moves over a dark picture; with -DMASKBUS_EXAMPLE_CAMERA and OpenCV's videoio, a real one.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <maskbus/maskbus.hpp>

#ifdef MASKBUS_EXAMPLE_CAMERA
#include <opencv2/videoio.hpp>
#endif

#include "arguments.hpp"

namespace {

using Clock = std::chrono::system_clock;

constexpr const char* usage =
    "usage: camera_stream [--endpoint E] [--model M] [--frames N] [--rate R] [--width W] [--height H] [--stream S]"
    " [--camera C]\n"
    "\n"
    "Send frames with a moving disc, click into it in the first one, and print a line for each frame in which the "
    "node\n"
    "has followed it: number of the frame, area of the mask in pixels, time since the frame was taken.\n"
    "A frame that is overtaken by a newer one before its turn comes is dropped, and counted.\n"
    "E: tcp://host:port or ipc://path (default: MASKBUS_ENDPOINT, else tcp://127.0.0.1:7710).\n"
    "M: one of the node's models that track (default: the node's own). N: frames to take (default: 100; 0: for ever).\n"
    "R: frames a second (default: 30). W, H: pixels (default: 640, 480). S: name of the stream (default: camera).\n"
    "C: number of a camera, where this was built with OpenCV, clicked on in its centre; default: the disc.\n"
    "Exit status: 0, 1 where frames could not be segmented, 2 for a wrong command line.";

/// The only object that is followed.
constexpr std::int64_t object_id = 1;

/// One picture, and where to click.
struct Frame {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::vector<std::uint8_t> pixels;  // bgr8
    maskbus::Point click;
    Clock::time_point taken;

    [[nodiscard]] maskbus::ImageView view() const {
        return maskbus::ImageView::raw(pixels.data(), width, height, maskbus::ImageEncoding::bgr8);
    }
};

/// Draw a disc that goes round once in a hundred frames.
Frame draw(std::int64_t number, std::uint32_t width, std::uint32_t height) {
    Frame frame;
    frame.width = width;
    frame.height = height;
    frame.pixels.assign(std::size_t{3} * width * height, 40);
    const double radius = 0.15 * std::min(width, height);
    const double angle = 2 * 3.141592653589793 * static_cast<double>(number % 100) / 100;
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

int fail(const std::string& problem) {
    std::cerr << "camera_stream: " << problem << "\n";
    return EXIT_FAILURE;
}

/// Where frames come from, one after the other, as fast as they are due.
class Camera {
public:
    Camera(std::uint32_t width, std::uint32_t height, double rate)
        : width_(width), height_(height), period_(1 / rate) {}

#ifdef MASKBUS_EXAMPLE_CAMERA
    /// Use a real one; say whether it is there.
    bool open(int number) {
        return camera_.open(number);
    }
#endif

    /// Wait for the next frame; null where the camera has ended. Frames are shared: one lives until it has been sent.
    std::shared_ptr<const Frame> take() {
#ifdef MASKBUS_EXAMPLE_CAMERA
        if (camera_.isOpened()) {
            cv::Mat picture;
            if (!camera_.read(picture)) {
                return nullptr;
            }
            Frame frame;
            frame.width = static_cast<std::uint32_t>(picture.cols);
            frame.height = static_cast<std::uint32_t>(picture.rows);
            frame.pixels.assign(picture.datastart, picture.dataend);
            frame.click = {frame.width / 2.0, frame.height / 2.0};
            frame.taken = Clock::now();
            return std::make_shared<const Frame>(std::move(frame));
        }
#endif
        std::this_thread::sleep_until(due_);
        due_ += std::chrono::duration_cast<std::chrono::steady_clock::duration>(period_);
        return std::make_shared<const Frame>(draw(number_++, width_, height_));
    }

private:
    std::uint32_t width_;
    std::uint32_t height_;
    std::chrono::duration<double> period_;
    std::chrono::steady_clock::time_point due_ = std::chrono::steady_clock::now();
    std::int64_t number_ = 0;
#ifdef MASKBUS_EXAMPLE_CAMERA
    cv::VideoCapture camera_;
#endif
};

/// Looks at what comes over the topic.
class Viewer {
public:
    /// Print a line.
    void show(const maskbus::Segmentation& masks) {
        std::int64_t area = 0;
        for (const maskbus::Mask& mask : masks.masks()) {
            area += mask.object_id() == object_id ? mask.area() : 0;
        }
        const auto taken = std::chrono::nanoseconds(masks.stamp().value_or(0));
        const std::chrono::duration<double, std::milli> latency = Clock::now().time_since_epoch() - taken;
        const std::int64_t seq = masks.seq().value_or(-1);
        std::cout << "seq " << seq << ", area " << area << ", latency " << latency.count() << " ms" << std::endl;
        for (const std::string& note : masks.notes()) {
            std::cout << note << std::endl;
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        last_ = seq;
        changed_.notify_one();
    }
    /// Wait a moment for a frame to have been shown.
    void wait_for(std::int64_t seq) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait_for(lock, std::chrono::seconds(2), [&] { return last_ >= seq; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::int64_t last_ = -1;
};

}  // namespace

int main(int count, char** texts) {
    const Arguments arguments(count, texts, usage, 0,
                              {"endpoint", "model", "frames", "rate", "width", "height", "stream", "camera"});
    const auto frames = static_cast<std::int64_t>(arguments.number("frames", 100, 0, 1e15));
    Camera camera(static_cast<std::uint32_t>(arguments.number("width", 640, 1, 8'000)),
                  static_cast<std::uint32_t>(arguments.number("height", 480, 1, 8'000)),
                  arguments.number("rate", 30, 0.01, 10'000));
#ifdef MASKBUS_EXAMPLE_CAMERA
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
    std::shared_ptr<const Frame> frame = camera.take();
    if (frame == nullptr) {
        return fail("the camera has no frames.");
    }
    maskbus::StreamOptions options;
    options.model = arguments.text("model", "");
    options.objects = {{object_id, {{frame->click}}}};
    options.always = true;  // the click is into the first frame, whether or not somebody looks already
    auto stream = client->open_stream(arguments.text("stream", "camera"), options);
    if (!stream) {
        return fail(stream.error().message);
    }
    maskbus::SubscribeOptions wanted = maskbus::Stream::newest();
    wanted.on_error = [](const maskbus::Error& error) { fail(error.message); };
    Viewer viewer;
    auto masks = stream->results([&viewer](const maskbus::Segmentation& found) { viewer.show(found); }, wanted);
    if (!masks) {
        return fail(masks.error().message);
    }

    std::int64_t last_sent = -1;
    for (std::int64_t seq = 0; frame != nullptr; ++seq) {
        maskbus::FrameOptions about;
        about.stamp = std::chrono::duration_cast<std::chrono::nanoseconds>(frame->taken.time_since_epoch()).count();
        about.seq = seq;
        const auto sent = stream->send(frame->view(), about, frame);
        if (!sent) {
            return fail(sent.error().message);
        }
        last_sent = *sent ? seq : last_sent;
        if (const auto news = stream->check(); !news) {
            fail(news.error().message);  // about an earlier frame; the next one may be better
        }
        frame = frames == 0 || seq + 1 < frames ? camera.take() : nullptr;
    }
    viewer.wait_for(last_sent);
    const auto counts = stream->close();
    if (!counts) {
        return fail(counts.error().message);
    }
    masks->close();
    std::cout << stream->sent() << " frames sent, " << stream->dropped() << " dropped by the camera";
    for (const auto& [cause, number] : counts->dropped) {
        std::cout << ", " << number << " " << cause;
    }
    std::cout << ", " << counts->answered << " followed, " << masks->dropped() << " skipped by the viewer" << std::endl;
    return stream->errors() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
