#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "maskbus/maskbus.hpp"

namespace fake {

/// Pixels to send, rgb8, with a value of its own in each byte as far as bytes go.
struct Picture {
    explicit Picture(std::uint32_t columns = 8, std::uint32_t rows = 6) : width(columns), height(rows) {
        pixels.resize(std::size_t{3} * width * height);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            pixels[i] = static_cast<std::uint8_t>(i * 7 % 251);
        }
    }
    [[nodiscard]] maskbus::ImageView view() const {
        return maskbus::ImageView::raw(pixels.data(), width, height, maskbus::ImageEncoding::rgb8);
    }
    [[nodiscard]] std::string text() const {
        return {pixels.begin(), pixels.end()};
    }

    std::uint32_t width;
    std::uint32_t height;
    std::vector<std::uint8_t> pixels;
};

inline maskbus::Client client_of(const std::string& endpoint, std::chrono::milliseconds deadline) {
    maskbus::ClientOptions options;
    options.endpoint = endpoint;
    options.deadline = deadline;
    return maskbus::Client::connect(options).value_or_throw();
}

inline maskbus::SegmentOptions with_seq(std::int64_t seq) {
    maskbus::SegmentOptions options;
    options.seq = seq;
    return options;
}

/// Code of a result's error; empty where there is none.
template <class T>
std::string code_of(const maskbus::Result<T>& result) {
    return result ? std::string() : result.error().code;
}

}  // namespace fake
