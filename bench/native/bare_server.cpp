// The least that a server can be: a REP socket that answers what the first
// frame says, and copies nothing.
//
//     bare_server ENDPOINT...
//
// Frame 1 is one letter: `s` or `e` sends the payload back, `f` answers 12
// bytes, `m` a mask of 1920 × 1080. Prints the endpoints it listens on, as
// JSON, and serves until its standard input ends.

#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

int main(int count, char **arguments) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::rep);
  std::string endpoints;
  for (int i = 1; i < count; ++i) {
    socket.bind(arguments[i]);
    endpoints += (i == 1 ? "\"" : ", \"") +
                 socket.get(zmq::sockopt::last_endpoint) + "\"";
  }
  std::printf("{\"ready\": [%s]}\n", endpoints.c_str());
  std::fflush(stdout);
  std::thread([] {
    while (std::getchar() != EOF) {
    }
    std::quick_exit(0);
  }).detach();

  std::vector<std::uint8_t> mask(1920 * 1080);
  while (true) {
    zmq::message_t what;
    zmq::message_t payload;
    if (!socket.recv(what) || !socket.recv(payload)) {
      return 1;
    }
    const char letter = *what.data<char>();
    if (letter == 'f') {
      const std::uint32_t shape[3] = {
          1080, static_cast<std::uint32_t>(payload.size() / (1080 * 3)), 3};
      socket.send(zmq::buffer(shape), zmq::send_flags::none);
    } else if (letter == 'm') {
      mask.assign(mask.size(), 255);
      zmq::message_t answer(mask.data(), mask.size(), [](void *, void *) {});
      socket.send(answer, zmq::send_flags::none);
    } else {
      socket.send(payload, zmq::send_flags::none);
    }
  }
}
