// What every way of getting at the library must give: its headers, libzmq, and the version that was asked for.
#include <cstdio>
#include <zmq.hpp>

#include "maskbus/wire.hpp"

int main() {
    const auto message = maskbus::wire::ping("consumer");
    if (!message) {
        std::fprintf(stderr, "%s\n", message.error().message.c_str());
        return 1;
    }
    int major = 0;
    int minor = 0;
    int patch = 0;
    zmq_version(&major, &minor, &patch);
    std::printf("maskbus %s\nlibzmq %d.%d.%d\n", CONSUMER_OF_VERSION, major, minor, patch);
    for (const unsigned byte : message->header) {
        std::printf("%02x", byte);
    }
    std::printf("\n");
    return 0;
}
