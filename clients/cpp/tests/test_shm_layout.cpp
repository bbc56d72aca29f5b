// The layout of shared memory, against the golden headers and entries.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "maskbus/shm/checksum.hpp"
#include "maskbus/shm/crc32.hpp"
#include "maskbus/shm/layout.hpp"
#include "shm_file.hpp"

namespace shm = maskbus::shm;
using nlohmann::json;

namespace {

std::vector<json> vectors(const std::string& kind) {
    const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../../protocols/vectors/shared";
    std::vector<json> found;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        json one = json::parse(std::ifstream(file.path()));
        if (one.at("kind") == kind) {
            found.push_back(std::move(one));
        }
    }
    REQUIRE(found.size() >= 15);
    return found;
}

std::vector<std::uint8_t> bytes_of(const json& hex) {
    const auto text = hex.at("$hex").get<std::string>();
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

bool refused(const json& vector) {
    return vector.value("error", false);
}

}  // namespace

TEST_CASE("golden headers") {
    for (const json& vector : vectors("header")) {
        CAPTURE(vector.at("name"));
        const std::vector<std::uint8_t> bytes = bytes_of(vector.at("bytes"));
        const auto header =
            shm::Header::parse(bytes.data(), bytes.size(), vector.at("file_bytes").get<std::uint64_t>());
        REQUIRE(header.ok() == !refused(vector));
        if (!header) {
            CHECK(header.error().code == "protocol");
            CHECK(header.error().message.back() == '.');
            continue;
        }
        const json& fields = vector.at("fields");
        CHECK(header->generation == fields.at("generation"));
        CHECK(header->slots == fields.at("slots"));
        CHECK(header->slot_bytes == fields.at("slot_bytes"));
        const std::vector<std::uint8_t> token = bytes_of(fields.at("token"));
        CHECK(std::equal(token.begin(), token.end(), header->token.begin(), header->token.end()));
        for (const char* name : {"data_offset", "file_bytes"}) {
            if (fields.contains(name)) {
                CHECK((name[0] == 'd' ? header->data_offset() : header->file_bytes()) == fields.at(name));
            }
        }
    }
}

TEST_CASE("golden entries") {
    for (const json& vector : vectors("entry")) {
        CAPTURE(vector.at("name"));
        const std::vector<std::uint8_t> bytes = bytes_of(vector.at("bytes"));
        const auto entry = shm::Entry::parse(bytes.data(), bytes.size());
        REQUIRE(entry.ok() == !refused(vector));
        if (!entry) {
            CHECK(entry.error().code == "protocol");
            continue;
        }
        const json& fields = vector.at("fields");
        CHECK(entry->generation == fields.at("generation"));
        CHECK(static_cast<std::uint32_t>(entry->state) == fields.at("state"));
        CHECK(static_cast<std::uint32_t>(entry->owner) == fields.at("owner"));
        CHECK(entry->length == fields.at("length"));
        CHECK(entry->width == fields.at("width"));
        CHECK(entry->height == fields.at("height"));
        CHECK(entry->step == fields.at("step"));
        CHECK(static_cast<std::uint32_t>(entry->encoding) == fields.at("encoding"));
        CHECK(entry->flags == fields.at("flags"));
        CHECK(entry->checksum == fields.at("checksum"));
        CHECK(entry->stamp == fields.at("stamp"));

        // Written again, it is the same but for what is reserved, which is not touched.
        std::vector<std::uint8_t> again = bytes;
        std::fill_n(again.begin(), 56, std::uint8_t{0xa5});
        entry->write(again.data());
        CHECK(again == bytes);
    }
}

TEST_CASE("encodings of images have their numbers") {
    CHECK(shm::content_of(maskbus::ImageEncoding::mono8) == shm::Content::mono8);
    CHECK(static_cast<int>(shm::content_of(maskbus::ImageEncoding::bgra8)) == 5);
    CHECK(static_cast<int>(shm::content_of(maskbus::ImageEncoding::jpeg)) == 16);
    CHECK(static_cast<int>(shm::content_of(maskbus::ImageEncoding::webp)) == 18);
}

TEST_CASE("slots are rounded up to whole pages") {
    CHECK(shm::round_slot(0) == 4096);
    CHECK(shm::round_slot(1) == 4096);
    CHECK(shm::round_slot(4096) == 4096);
    CHECK(shm::round_slot(4097) == 8192);
    CHECK(shm::round_slot(6'220'800) == 6'221'824);
}

TEST_CASE("a damaged header is refused or means the same") {
    const std::uint32_t seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937 random(seed);
    shm::Header sound;
    sound.generation = 77;
    sound.slots = 3;
    sound.slot_bytes = 8192;
    const std::vector<std::uint8_t> bytes = fake::header_bytes_of(sound);
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::uint8_t> damaged = bytes;
        for (auto hits = 1 + random() % 3; hits > 0; --hits) {
            damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
        }
        const auto header = shm::Header::parse(damaged.data(), damaged.size(), sound.file_bytes());
        if (header) {
            // Slots that lie within the file, or it would have been refused.
            REQUIRE(header->offset(header->slots - 1) + header->slot_bytes <= sound.file_bytes());
        }
    }
}

TEST_CASE("CRC-32") {
    const std::string digits = "123456789";
    static_assert(shm::crc32(nullptr, 0) == 0);
    CHECK(shm::crc32(reinterpret_cast<const std::uint8_t*>(digits.data()), digits.size()) == 0xcbf43926U);
    std::mt19937 random(7);
    std::vector<std::uint8_t> bytes(1000);
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::uint8_t>(random()); });
    for (std::size_t size = 0; size < 100; ++size) {
        // Bit by bit, as the definition has it.
        std::uint32_t crc = 0xffffffffU;
        for (std::size_t i = 0; i < size; ++i) {
            crc ^= bytes[i];
            for (int bit = 0; bit < 8; ++bit) {
                crc = crc >> 1U ^ ((crc & 1U) != 0 ? 0xedb88320U : 0);
            }
        }
        REQUIRE(shm::crc32(bytes.data(), size) == ~crc);
        REQUIRE(shm::checksum(bytes.data(), size) == ~crc);
    }
    CHECK(shm::crc32(bytes.data() + 3, 997) == shm::checksum(bytes.data() + 3, 997));
}
