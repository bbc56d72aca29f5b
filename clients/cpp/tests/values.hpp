#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <msgpack.hpp>

#include "maskbus/bytes.hpp"

/// Messages for tests, written as values. Nothing here is shared with what the client writes and reads with.
namespace values {

using Data = std::vector<std::uint8_t>;

struct Value;
using List = std::vector<Value>;
using Map = std::vector<std::pair<std::string, Value>>;

struct Value {
    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Data, List, Map> held;

    Value(std::nullptr_t) : held(nullptr) {}
    Value(bool value) : held(value) {}
    Value(int value) : held(std::int64_t{value}) {}
    Value(std::int64_t value) : held(value) {}
    Value(double value) : held(value) {}
    Value(const char* value) : held(std::string(value)) {}
    Value(std::string value) : held(std::move(value)) {}
    Value(Data value) : held(std::move(value)) {}
    Value(List value) : held(std::move(value)) {}
    Value(Map value) : held(std::move(value)) {}
};

using Packer = msgpack::packer<msgpack::sbuffer>;

inline void pack(Packer& packer, const Value& value);

inline void pack_held(Packer& packer, std::nullptr_t) {
    packer.pack_nil();
}
// msgpack's own packer makes an int of 9.0.
inline void pack_held(Packer& packer, double value) {
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof word);
    char bytes[9] = {'\xCB'};
    for (unsigned i = 0; i < 8; ++i) {
        bytes[i + 1] = static_cast<char>(word >> (56 - 8 * i) & 0xFF);
    }
    packer.pack_bin_body(bytes, sizeof bytes);
}
inline void pack_held(Packer& packer, const Data& data) {
    packer.pack_bin(static_cast<std::uint32_t>(data.size()));
    packer.pack_bin_body(reinterpret_cast<const char*>(data.data()), static_cast<std::uint32_t>(data.size()));
}
inline void pack_held(Packer& packer, const List& list) {
    packer.pack_array(static_cast<std::uint32_t>(list.size()));
    for (const Value& value : list) {
        pack(packer, value);
    }
}
inline void pack_held(Packer& packer, const Map& map) {
    packer.pack_map(static_cast<std::uint32_t>(map.size()));
    for (const auto& [key, value] : map) {
        packer.pack(key);
        pack(packer, value);
    }
}
template <class T>
void pack_held(Packer& packer, const T& plain) {
    packer.pack(plain);
}

inline void pack(Packer& packer, const Value& value) {
    std::visit([&packer](const auto& held) { pack_held(packer, held); }, value.held);
}

inline maskbus::Bytes header(const Map& map) {
    msgpack::sbuffer buffer;
    Packer packer(buffer);
    pack(packer, Value(map));
    return maskbus::Bytes::copy_of(buffer.data(), buffer.size());
}

/// Return a map with a field set, or added.
inline Map with(Map map, const std::string& name, Value value) {
    for (auto& [key, held] : map) {
        if (key == name) {
            held = std::move(value);
            return map;
        }
    }
    map.emplace_back(name, std::move(value));
    return map;
}

/// Return a map without a field.
inline Map without(Map map, const std::string& name) {
    Map left;
    for (auto& entry : map) {
        if (entry.first != name) {
            left.push_back(std::move(entry));
        }
    }
    return left;
}

/// A mask, and a reply that holds one, of an image of 9 × 2 pixels.
inline Map mask() {
    return {{"bbox", List{0, 0, 9, 2}}, {"area", 4}, {"predicted_iou", 0.75}, {"stability_score", 0.5}};
}
inline Map segment(List masks) {
    return {{"maskbus", "1.2"}, {"reply", "segment"},       {"id", "7"}, {"model", "echo"}, {"width", 9},
            {"height", 2},      {"masks", std::move(masks)}};
}

}  // namespace values
