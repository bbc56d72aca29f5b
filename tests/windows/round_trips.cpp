// Asks a node N times for the mask of a box that is another one each time, and compares each mask with the box, pixel by
// pixel. The model is echo, whose mask is the prompt.
//
//     round_trips tcp N ENDPOINT             the pixels go over the socket
//     round_trips shared N ENDPOINT          the pixels and the masks lie in shared memory, each with a checksum
//     round_trips child N EVENTS COMMAND…    the node is a child of this program; EVENTS: their name, or - for a socket
//     round_trips hold SECONDS ENDPOINT      says the path of its shared memory, holds it, and ends without a word to the node
//
// Prints one line: how many of how many were right, and the time of the median one.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "maskbus/maskbus.hpp"
#include "maskbus/shm/child.hpp"
#include "maskbus/shm/segment.hpp"
#include "maskbus/shm/shared_memory.hpp"

namespace {

constexpr std::uint32_t width = 320;
constexpr std::uint32_t height = 240;

using Answer = maskbus::Result<maskbus::Segmentation>;

int complain(const maskbus::Error& error) {
    std::fprintf(stderr, "%s: %s (%s)\n", error.code.c_str(), error.message.c_str(), error.path.c_str());
    return 1;
}

maskbus::Box box_of(int number) {
    const int x = number * 7 % 200;
    const int y = number * 5 % 150;
    return {double(x), double(y), double(x + 10 + number % 90), double(y + 5 + number % 70)};
}

void paint(std::uint8_t* pixels, int number) {
    for (std::size_t i = 0; i < std::size_t{width} * height * 3; ++i) {
        pixels[i] = static_cast<std::uint8_t>(i * 31 + static_cast<std::size_t>(number));
    }
}

bool is_right(const Answer& answer, int number) {
    if (!answer) {
        complain(answer.error());
        return false;
    }
    const auto best = answer->best();
    if (!best) {
        complain(best.error());
        return false;
    }
    const auto mask = best->decode();
    if (!mask || mask->width != width || mask->height != height) {
        return false;
    }
    const maskbus::Box box = box_of(number);
    for (std::uint32_t y = 0; y < height; ++y) {
        for (std::uint32_t x = 0; x < width; ++x) {
            if (mask->at(x, y) != (x >= box.x0 && x < box.x1 && y >= box.y0 && y < box.y1)) {
                return false;
            }
        }
    }
    return true;
}

maskbus::SegmentOptions options_of(int number) {
    maskbus::SegmentOptions options;
    options.encodings = {number % 2 == 0 ? maskbus::MaskEncoding::raw : maskbus::MaskEncoding::bits};
    options.seq = number;
    return options;
}

maskbus::ImageView view_of(const std::vector<std::uint8_t>& pixels) {
    return maskbus::ImageView::raw(pixels.data(), width, height, maskbus::ImageEncoding::rgb8);
}

/// Call `ask` with the numbers 0 to count - 1 and count the right answers.
template <class Ask>
int count_right(int count, Ask ask) {
    std::vector<double> took;
    int right = 0;
    for (int number = 0; number < count; ++number) {
        const auto begin = std::chrono::steady_clock::now();
        right += is_right(ask(number), number) ? 1 : 0;
        took.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(took.begin(), took.end());
    std::printf("%d of %d, median %.2f ms\n", right, count, took.empty() ? 0.0 : took[took.size() / 2]);
    return right == count ? 0 : 1;
}

maskbus::Result<maskbus::Client> connect(const char* endpoint) {
    maskbus::ClientOptions options;
    options.endpoint = endpoint;
    auto client = maskbus::Client::connect(options);
    if (client) {
        if (const auto pong = client->ping(); !pong) {
            return pong.error();
        }
    }
    return client;
}

maskbus::Result<maskbus::shm::SharedMemory> lease(maskbus::Client& client) {
    maskbus::shm::SharedMemoryOptions options;
    options.slots = 3;
    options.slot_bytes = std::size_t{width} * height * 3;
    options.checksum = true;
    return maskbus::shm::SharedMemory::lease(client, options);
}

int run_tcp(int count, const char* endpoint) {
    auto client = connect(endpoint);
    if (!client) {
        return complain(client.error());
    }
    std::vector<std::uint8_t> pixels(std::size_t{width} * height * 3);
    return count_right(count, [&](int number) -> Answer {
        paint(pixels.data(), number);
        maskbus::Prompt prompt;
        prompt.boxes = {box_of(number)};
        return client->segment(view_of(pixels), prompt, options_of(number));
    });
}

int run_shared(int count, const char* endpoint) {
    auto client = connect(endpoint);
    if (!client) {
        return complain(client.error());
    }
    auto memory = lease(*client);
    if (!memory) {
        return complain(memory.error());
    }
    return count_right(count, [&](int number) -> Answer {
        auto image = memory->image(width, height, maskbus::ImageEncoding::rgb8);
        if (!image) {
            return image.error();
        }
        paint(image->data(), number);
        maskbus::Prompt prompt;
        prompt.boxes = {box_of(number)};
        Answer answer = maskbus::shm::segment(*client, *image, prompt, options_of(number));
        if (answer && !answer->result()) {
            return maskbus::Error{"windows", "The mask did not come in shared memory."};
        }
        return answer;
    });
}

int run_child(int count, const std::string& events, std::vector<std::string> command) {
    maskbus::ChildOptions options;
    options.command = std::move(command);
    options.model = "echo";
    options.checksum = true;
    options.events = events == "-" ? "" : events;
    auto child = maskbus::Child::start(options);
    if (!child) {
        return complain(child.error());
    }
    std::vector<std::uint8_t> pixels(std::size_t{width} * height * 3);
    return count_right(count, [&](int number) -> Answer {
        paint(pixels.data(), number);
        maskbus::Prompt prompt;
        prompt.boxes = {box_of(number)};
        return child->segment(view_of(pixels), prompt, options_of(number));
    });
}

int run_hold(int seconds, const char* endpoint) {
    auto client = connect(endpoint);
    if (!client) {
        return complain(client.error());
    }
    auto memory = lease(*client);
    if (!memory) {
        return complain(memory.error());
    }
    std::printf("held\n");
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    std::_Exit(3);  // as one that crashes: nothing is given back
}

}  // namespace

int main(int count, char** words) {
    const std::vector<std::string> given(words + 1, words + count);
    if (given.size() >= 3) {
        const int number = std::atoi(words[2]);
        if (given[0] == "tcp") {
            return run_tcp(number, words[3]);
        }
        if (given[0] == "shared") {
            return run_shared(number, words[3]);
        }
        if (given[0] == "hold") {
            return run_hold(number, words[3]);
        }
        if (given[0] == "child") {
            return run_child(number, given[2], {given.begin() + 3, given.end()});
        }
    }
    std::fprintf(stderr, "usage: round_trips tcp|shared|hold NUMBER ENDPOINT, or child NUMBER EVENTS|- COMMAND…\n");
    return 2;
}
