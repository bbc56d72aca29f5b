#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <msgpack/pack.hpp>

#include "maskbus/bytes.hpp"

namespace maskbus::detail {

/// Writes a header as msgpack, each value in its shortest form. The number of a map's entries need not be known before
/// they are written.
class Packer {
public:
    Packer() : packer_(sink_) {
        constexpr std::size_t most_headers = 384;
        sink_.bytes.reserve(most_headers);
    }

    void write(bool value) {
        value ? packer_.pack_true() : packer_.pack_false();
    }
    void write(std::int64_t value) {
        packer_.pack_int64(value);
    }
    void write(std::string_view text) {
        packer_.pack_str(static_cast<std::uint32_t>(text.size()));
        packer_.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
    }
    /// As float 64, whatever the value: msgpack's own packer makes an int of 2.0.
    void write(double value) {
        std::uint64_t word = 0;
        static_assert(sizeof word == sizeof value);
        std::memcpy(&word, &value, sizeof word);
        std::uint8_t bytes[9] = {0xCB};
        for (unsigned i = 0; i < 8; ++i) {
            bytes[i + 1] = static_cast<std::uint8_t>(word >> (56 - 8 * i));
        }
        sink_.bytes.insert(sink_.bytes.end(), bytes, bytes + sizeof bytes);
    }
    void begin_array(std::size_t count) {
        packer_.pack_array(static_cast<std::uint32_t>(count));
    }

    /// Begin a map; return what `end_map` needs.
    [[nodiscard]] std::size_t begin_map() {
        sink_.bytes.push_back(0x80);
        return sink_.bytes.size() - 1;
    }
    /// Write down how many entries there were since `begin_map`, at most 65535.
    void end_map(std::size_t begin, std::size_t count) {
        if (count < 16) {
            sink_.bytes[begin] = static_cast<std::uint8_t>(0x80 | count);
            return;
        }
        const std::uint8_t size[2] = {static_cast<std::uint8_t>(count >> 8), static_cast<std::uint8_t>(count)};
        sink_.bytes[begin] = 0xDE;
        sink_.bytes.insert(sink_.bytes.begin() + static_cast<std::ptrdiff_t>(begin) + 1, size, size + 2);
    }

    [[nodiscard]] std::vector<std::uint8_t> take() {
        return std::move(sink_.bytes);
    }

private:
    struct Sink {
        std::vector<std::uint8_t> bytes;

        void write(const char* data, std::size_t size) {
            const auto* first = reinterpret_cast<const std::uint8_t*>(data);
            bytes.insert(bytes.end(), first, first + size);
        }
    };

    Sink sink_;
    msgpack::packer<Sink> packer_;
};

/// Writes one map: keys and values in turn, `end` at last.
class MapWriter {
public:
    explicit MapWriter(Packer& packer) : packer_(packer), begin_(packer.begin_map()) {}

    /// Write a key; its value must follow.
    Packer& key(std::string_view name) {
        packer_.write(name);
        ++count_;
        return packer_;
    }
    template <class T>
    void field(std::string_view name, const T& value) {
        key(name).write(value);
    }
    void end() {
        packer_.end_map(begin_, count_);
    }

private:
    Packer& packer_;
    std::size_t begin_;
    std::size_t count_ = 0;
};

}  // namespace maskbus::detail
