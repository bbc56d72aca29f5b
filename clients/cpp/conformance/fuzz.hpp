#pragma once

#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "hex.hpp"
#include "maskbus/wire.hpp"
#include "replies.hpp"

/// Replies changed at random: whatever comes, the client answers with a value or an error, and touches no memory that
/// is not its own.
namespace fuzz {

using Json = nlohmann::json;
using Frame = std::vector<std::uint8_t>;

class Mutator {
public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t count) {
        return count == 0 ? 0 : random_() % count;
    }

    /// Change a frame in one to eight places: bytes set, bits turned, parts left out, doubled or taken from another.
    void change(Frame& frame, const Frame& other) {
        for (std::size_t i = below(8) + 1; i > 0; --i) {
            const auto at = static_cast<std::ptrdiff_t>(below(frame.size() + 1));
            const std::size_t left = frame.size() - static_cast<std::size_t>(at);
            const auto length = static_cast<std::ptrdiff_t>(below(std::min<std::size_t>(left, 16) + 1));
            switch (below(6)) {
                case 0:
                    if (left > 0) {
                        frame[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(random_());
                    }
                    break;
                case 1:
                    if (left > 0) {
                        frame[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << below(8));
                    }
                    break;
                case 2:
                    frame.erase(frame.begin() + at, frame.begin() + at + length);
                    break;
                case 3: {
                    const Frame part(frame.begin() + at, frame.begin() + at + length);
                    frame.insert(frame.begin() + at, part.begin(), part.end());
                    break;
                }
                case 4: {
                    const std::size_t from = below(other.size());
                    const auto first = other.begin() + static_cast<std::ptrdiff_t>(from);
                    frame.insert(frame.begin() + at, first,
                                 first + static_cast<std::ptrdiff_t>(std::min<std::size_t>(other.size() - from, 24)));
                    break;
                }
                default:
                    if (left > 0) {
                        constexpr std::uint8_t telling[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xC0,
                                                            0xC1, 0xC4, 0xC7, 0xCA, 0xCB, 0xCF, 0xD3,
                                                            0xDA, 0xDC, 0xDD, 0xDE, 0xDF, 0xE0, 0xFF};
                        frame[static_cast<std::size_t>(at)] = telling[below(sizeof telling)];
                    }
            }
        }
    }

private:
    std::mt19937_64 random_;
};

/// Look at all that a reply holds; return whether it could be read.
inline bool look(const Frame& header, const std::vector<Frame>& attachments) {
    std::vector<maskbus::Bytes> parts;
    parts.reserve(attachments.size());
    for (const Frame& part : attachments) {
        parts.push_back(maskbus::Bytes::own(part));
    }
    const auto opened = maskbus::wire::open(maskbus::Bytes::own(header), std::move(parts));
    if (!opened) {
        return false;
    }
    const Json told = replies::read(*opened);
    // Text that is not UTF-8 would throw here.
    return !told.contains("error") && !told.dump().empty();
}

inline Json run(const std::vector<Json>& vectors, std::uint64_t seed, std::uint64_t rounds) {
    std::vector<std::vector<Frame>> messages;
    for (const Json& vector : vectors) {
        auto& message = messages.emplace_back();
        for (const std::string frame : vector.at("frames")) {
            message.push_back(hex::decode(frame));
        }
        if (vector.at("kind") == "published") {
            message.erase(message.begin());
        }
    }
    std::cerr << "seed " << seed << ", " << rounds << " rounds over " << messages.size() << " messages\n";
    Mutator mutator(seed);
    std::uint64_t read = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const auto& message = messages[mutator.below(messages.size())];
        const auto& other = messages[mutator.below(messages.size())];
        Frame header = message.front();
        std::vector<Frame> attachments(message.begin() + 1, message.end());
        const std::size_t changed = mutator.below(attachments.size() + 1);
        mutator.change(changed == 0 ? header : attachments[changed - 1], other.front());
        read += look(header, attachments) ? 1U : 0U;
    }
    return {{"rounds", rounds}, {"read", read}};
}

}  // namespace fuzz
