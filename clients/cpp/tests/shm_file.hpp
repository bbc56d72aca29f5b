#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "maskbus/shm/layout.hpp"
#include "maskbus/shm/mapping.hpp"

namespace fake {

/// Bytes of a header as the node writes it.
inline std::vector<std::uint8_t> header_bytes_of(const maskbus::shm::Header& header) {
    using maskbus::shm::detail::write_little;
    std::vector<std::uint8_t> bytes(maskbus::shm::header_bytes);
    std::copy(maskbus::shm::magic.begin(), maskbus::shm::magic.end(), bytes.begin());
    write_little(bytes.data() + 8, maskbus::shm::byte_order);
    write_little(bytes.data() + 12, maskbus::shm::major_version);
    write_little(bytes.data() + 16, header.generation);
    write_little(bytes.data() + 24, header.slots);
    write_little(bytes.data() + 28, static_cast<std::uint32_t>(maskbus::shm::entry_bytes));
    write_little(bytes.data() + 32, header.slot_bytes);
    write_little(bytes.data() + 40, header.data_offset());
    write_little(bytes.data() + 48, header.file_bytes());
    std::copy(header.token.begin(), header.token.end(), bytes.begin() + 64);
    return bytes;
}

/// A folder that is gone when this is.
class Folder {
public:
    Folder() {
        std::random_device random;
        path_ = std::filesystem::temp_directory_path() /
                ("maskbus-test-" + std::to_string(random()) + std::to_string(random()));
        std::filesystem::create_directory(path_);
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const {
        return (path_ / std::filesystem::u8path(name)).u8string();
    }

private:
    std::filesystem::path path_;
};

/// Write a file that is open to this user alone.
inline void write_file(const std::string& path, const std::vector<std::uint8_t>& begin, std::uint64_t size) {
    const std::filesystem::path where = std::filesystem::u8path(path);
    {
        std::ofstream out(where, std::ios::binary);
        out.write(reinterpret_cast<const char*>(begin.data()), static_cast<std::streamsize>(begin.size()));
    }
    std::filesystem::resize_file(where, size);
    std::filesystem::permissions(where, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

/// A file of shared memory as a node makes it, and the node's own way into it.
class SharedFile {
public:
    SharedFile(const std::string& path, std::uint32_t slots, std::uint64_t slot_bytes) : path_(path) {
        std::random_device random;
        maskbus::shm::Header header;
        header.generation = random() + 1ULL;
        header.slots = slots;
        header.slot_bytes = maskbus::shm::round_slot(slot_bytes);
        write_file(path, header_bytes_of(header), header.file_bytes());
        mapping_.emplace_back(maskbus::shm::Mapping::open(path).value_or_throw());
    }

    [[nodiscard]] const std::string& path() const {
        return path_;
    }
    [[nodiscard]] const maskbus::shm::Header& header() const {
        return mapping_.front().header();
    }
    [[nodiscard]] std::uint8_t* slot(std::size_t index) const {
        return mapping_.front().slot(index);
    }
    [[nodiscard]] maskbus::shm::Entry entry(std::size_t index) const {
        return mapping_.front().entry(index).read();
    }
    /// Write an entry whole, whatever stood there.
    void write(std::size_t index, const maskbus::shm::Entry& entry) const {
        entry.write(mapping_.front().slot(0) - header().data_offset() + maskbus::shm::entry_offset(index));
    }
    void set(std::size_t index, maskbus::shm::SlotState state, maskbus::shm::SlotOwner owner) const {
        maskbus::shm::Entry now = entry(index);
        now.state = state;
        now.owner = owner;
        write(index, now);
    }

private:
    std::string path_;
    std::vector<maskbus::shm::Mapping> mapping_;
};

}  // namespace fake
