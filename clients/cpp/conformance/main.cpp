// Reads golden messages, one JSON object a line: {"kind", "frames": [hex…], "limits"?}. Answers each with a line:
// {"message", "masks", "logits"} for replies and published messages, {"encoded": [hex…]} for requests written again by
// the client, {"unsayable"} for requests that its functions cannot express, {"error": {"code", "path", "message"}}.
//
// With --fuzz SEED ROUNDS, changes the messages at random instead and reads them, to be run with sanitizers.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz.hpp"
#include "hex.hpp"
#include "maskbus/wire.hpp"
#include "replies.hpp"
#include "requests.hpp"

namespace {

using Json = nlohmann::json;

maskbus::Limits limits_of(const Json& vector, bool request) {
    maskbus::Limits limits = request ? maskbus::request_limits : maskbus::reply_limits;
    const Json changed = vector.value("limits", Json::object());
    limits.frame_bytes = changed.value("frame_bytes", limits.frame_bytes);
    limits.attachments = changed.value("attachments", limits.attachments);
    limits.header_objects = changed.value("header_objects", limits.header_objects);
    limits.header_depth = changed.value("header_depth", limits.header_depth);
    return limits;
}

Json answer(const Json& vector) {
    const std::string kind = vector.at("kind");
    std::vector<maskbus::Bytes> frames;
    for (const std::string frame : vector.at("frames")) {
        frames.push_back(maskbus::Bytes::own(hex::decode(frame)));
    }
    if (kind == "published") {
        frames.erase(frames.begin());
    }
    maskbus::Bytes header;
    if (!frames.empty()) {
        header = std::move(frames.front());
        frames.erase(frames.begin());
    }
    const bool request = kind == "request";
    const auto opened = maskbus::detail::open_message(header, std::move(frames), limits_of(vector, request));
    if (!opened) {
        return replies::refusal(opened.error());
    }
    return request ? requests::read(*opened) : replies::read(*opened);
}

}  // namespace

int main(int count, char** arguments) {
    try {
        std::ios::sync_with_stdio(false);
        std::vector<Json> vectors;
        const bool fuzzing = count == 4 && std::string_view(arguments[1]) == "--fuzz";
        if (count != 1 && !fuzzing) {
            std::cerr << "usage: maskbus_conformance [--fuzz SEED ROUNDS] < messages\n";
            return 2;
        }
        for (std::string line; std::getline(std::cin, line);) {
            const Json vector = Json::parse(line);
            if (fuzzing) {
                vectors.push_back(vector);
            } else {
                std::cout << answer(vector).dump() << "\n";
            }
        }
        if (fuzzing) {
            std::cout << fuzz::run(vectors, std::stoull(arguments[2]), std::stoull(arguments[3])).dump() << "\n";
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "maskbus_conformance: " << error.what() << "\n";
        return 1;
    }
}
