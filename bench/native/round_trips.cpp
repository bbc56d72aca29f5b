// Measures round trips of the C++ client beside bare cppzmq sockets, in turns,
// and prints the times as JSON.
//
//     round_trips BARE_TCP BARE_IPC NODE_TCP NODE_IPC ROUNDS CALLS
//
// Lines are measured in a new order each round, so that whatever drifts on the
// machine hits all of them alike.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "maskbus/maskbus.hpp"
#include "maskbus/shm/segment.hpp"
#include "maskbus/shm/shared_memory.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t width = 1920;
constexpr std::uint32_t height = 1080;
constexpr std::size_t frame_bytes = std::size_t{width} * height * 3;
constexpr int warm_up = 4;

[[noreturn]] void fail(const std::string &why) {
  std::fprintf(stderr, "round_trips: %s\n", why.c_str());
  std::exit(1);
}

template <class T> T must(maskbus::Result<T> result) {
  if (!result) {
    fail(result.error().code + ": " + result.error().message + " " +
         result.error().path);
  }
  return std::move(result).value();
}

/// A REQ socket that sends without a copy and looks at the answer where it
/// lies.
class Bare {
public:
  Bare(zmq::context_t &context, const std::string &endpoint)
      : socket_(context, zmq::socket_type::req) {
    socket_.set(zmq::sockopt::rcvtimeo, 30'000);
    socket_.set(zmq::sockopt::linger, 0);
    socket_.connect(endpoint);
  }

  std::size_t ask(char letter, const void *data, std::size_t size) {
    socket_.send(zmq::buffer(&letter, 1), zmq::send_flags::sndmore);
    zmq::message_t payload(const_cast<void *>(data), size,
                           [](void *, void *) {});
    socket_.send(payload, zmq::send_flags::none);
    zmq::message_t answer;
    if (!socket_.recv(answer)) {
      fail("the bare server does not answer");
    }
    return answer.size();
  }

private:
  zmq::socket_t socket_;
};

/// One line of the table: a call, and what it cost beside the model
/// (microseconds taken off each time).
struct Line {
  std::string name;
  std::function<double()> call; // returns what of the round trip was the
                                // model's own time, microseconds
  std::vector<double> times = {};
};

struct Node {
  explicit Node(const std::string &endpoint)
      : client(must(maskbus::Client::connect({endpoint}))),
        memory(must(maskbus::shm::SharedMemory::lease(client, options()))),
        kept(must(client.embed(maskbus::ImageView::raw(
            small.data(), 640, 480, maskbus::ImageEncoding::rgb8)))) {}

  static maskbus::shm::SharedMemoryOptions options() {
    maskbus::shm::SharedMemoryOptions wanted;
    wanted.slots = 4;
    wanted.slot_bytes = frame_bytes;
    return wanted;
  }

  std::vector<std::uint8_t> small = std::vector<std::uint8_t>(640 * 480 * 3, 7);
  maskbus::Client client;
  maskbus::shm::SharedMemory memory;
  maskbus::KeptImage kept;
};

maskbus::SegmentOptions nothing() {
  maskbus::SegmentOptions options;
  options.encodings.clear();
  return options;
}

maskbus::SegmentOptions raw() {
  maskbus::SegmentOptions options;
  options.encodings = {maskbus::MaskEncoding::raw};
  return options;
}

maskbus::Prompt whole() {
  maskbus::Prompt prompt;
  prompt.boxes = {{0, 0, width, height}};
  return prompt;
}

void check_size(const maskbus::Segmentation &found) {
  if (found.width() != width || found.height() != height) {
    fail("an answer of another size");
  }
}

void check_mask(const maskbus::Segmentation &found) {
  const auto bytes = found.masks().at(0).raw();
  if (!bytes || bytes->size() != std::size_t{width} * height ||
      bytes->data()[bytes->size() - 1] != 255) {
    fail("an answer without its mask");
  }
}

} // namespace

int main(int count, char **arguments) {
  if (count != 7) {
    fail("usage: round_trips BARE_TCP BARE_IPC NODE_TCP NODE_IPC ROUNDS CALLS");
  }
  const int rounds = std::atoi(arguments[5]);
  const int calls = std::atoi(arguments[6]);
  zmq::context_t context;
  Bare bare_tcp(context, arguments[1]);
  Bare bare_ipc(context, arguments[2]);
  Node tcp(arguments[3]);
  Node ipc(arguments[4]);

  std::vector<std::uint8_t> frame(frame_bytes);
  std::mt19937 noise(7);
  std::generate(frame.begin(), frame.end(),
                [&] { return static_cast<std::uint8_t>(noise()); });
  std::vector<std::uint8_t> copy(frame_bytes);
  const std::vector<std::uint8_t> word(64, 1);
  std::uint64_t number = 0;
  const auto stamp = [&](std::uint8_t *pixels) {
    ++number;
    std::memcpy(pixels, &number, sizeof number); // no two frames are equal
  };
  const auto view = maskbus::ImageView::raw(frame.data(), width, height,
                                            maskbus::ImageEncoding::rgb8);

  std::vector<Line> lines;
  const auto bare = [&](std::string name, Bare &socket, char letter,
                        const std::vector<std::uint8_t> &data, bool stamped) {
    lines.push_back(
        {std::move(name), [&socket, &data, &stamp, &frame, letter, stamped] {
           if (stamped) {
             stamp(frame.data());
           }
           if (socket.ask(letter, data.data(), data.size()) == 0) {
             fail("an empty answer");
           }
           return 0.0;
         }});
  };
  for (auto *pair : {&bare_tcp, &bare_ipc}) {
    const std::string over = pair == &bare_tcp ? "tcp" : "ipc";
    bare("bare-small-" + over, *pair, 's', word, false);
    bare("bare-frame-" + over, *pair, 'f', frame, true);
    bare("bare-mask-" + over, *pair, 'm', frame, true);
    bare("bare-echo-" + over, *pair, 'e', frame, true);
  }
  for (Node *node : {&tcp, &ipc}) {
    const std::string over = node == &tcp ? "tcp" : "ipc";
    lines.push_back({"frame-" + over, [&stamp, &frame, &view, node] {
                       stamp(frame.data());
                       check_size(
                           must(node->client.segment(view, {}, nothing())));
                       return 0.0;
                     }});
    lines.push_back({"mask-" + over, [&stamp, &frame, &view, node] {
                       stamp(frame.data());
                       check_mask(
                           must(node->client.segment(view, whole(), raw())));
                       return 0.0;
                     }});
    lines.push_back({"shm-copy-frame-" + over, [&stamp, &frame, &view, node] {
                       stamp(frame.data());
                       const auto image = must(node->memory.copy_of(view));
                       check_size(must(maskbus::shm::segment(
                           node->client, image, {}, nothing())));
                       return 0.0;
                     }});
    lines.push_back({"shm-place-frame-" + over, [&stamp, node] {
                       const auto image = must(node->memory.image(
                           width, height, maskbus::ImageEncoding::rgb8));
                       stamp(image.data()); // a camera's driver would write all
                                            // of it, whoever looks at it
                       check_size(must(maskbus::shm::segment(
                           node->client, image, {}, nothing())));
                       return 0.0;
                     }});
    lines.push_back({"shm-copy-mask-" + over, [&stamp, &frame, &view, node] {
                       stamp(frame.data());
                       const auto image = must(node->memory.copy_of(view));
                       check_mask(must(maskbus::shm::segment(
                           node->client, image, whole(), raw())));
                       return 0.0;
                     }});
    lines.push_back({"shm-place-mask-" + over, [&stamp, node] {
                       const auto image = must(node->memory.image(
                           width, height, maskbus::ImageEncoding::rgb8));
                       stamp(image.data());
                       check_mask(must(maskbus::shm::segment(
                           node->client, image, whole(), raw())));
                       return 0.0;
                     }});
    lines.push_back({"click-" + over, [node] {
                       maskbus::Prompt prompt;
                       prompt.points = {{320, 240}};
                       const auto found =
                           must(node->client.segment(node->kept, prompt));
                       if (found.masks().size() != 1) {
                         fail("a click without its mask");
                       }
                       const maskbus::Timings &timings = found.timings();
                       return 1e3 * (timings.embed_ms + timings.decode_ms +
                                     timings.encode_ms);
                     }});
  }
  lines.push_back({"memcpy-warm", [&] {
                     std::memcpy(copy.data(), frame.data(), frame_bytes);
                     return 0.0;
                   }});

  std::mt19937 order(7);
  std::vector<std::size_t> turns(lines.size());
  for (std::size_t i = 0; i < turns.size(); ++i) {
    turns[i] = i;
  }
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(turns.begin(), turns.end(), order);
    for (const std::size_t turn : turns) {
      Line &line = lines[turn];
      for (int call = -warm_up; call < calls; ++call) {
        const auto begin = Clock::now();
        const double model = line.call();
        const std::chrono::duration<double, std::micro> taken =
            Clock::now() - begin;
        if (call >= 0) {
          line.times.push_back(taken.count() - model);
        }
      }
    }
  }

  std::printf("{");
  for (const Line &line : lines) {
    std::vector<double> times = line.times;
    std::sort(times.begin(), times.end());
    const double last = static_cast<double>(times.size() - 1);
    std::printf(
        "%s\"%s\": {\"median_us\": %.1f, \"p99_us\": %.1f, \"calls\": %zu}",
        &line == &lines.front() ? "" : ", ", line.name.c_str(),
        times[static_cast<std::size_t>(0.50 * last)],
        times[static_cast<std::size_t>(0.99 * last)], times.size());
  }
  std::printf("}\n");
  return 0;
}
