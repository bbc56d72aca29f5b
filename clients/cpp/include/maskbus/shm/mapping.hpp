#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "maskbus/result.hpp"
#include "maskbus/shm/layout.hpp"
#include "maskbus/shm/slot_entry.hpp"

namespace maskbus::shm {

namespace detail {

/// A file that is mapped whole, writable and shared, and whose lock is held: by any death of this process the lock is
/// free. Each system has its own source file.
class MappedFile {
public:
    /// Open a file that exists, take its lock, map it, and have its pages there already.
    ///
    /// `path` is UTF-8. Refused are links, what is no file, and on POSIX what belongs to another user or is open to
    /// others. A lock that somebody holds alone is waited for, for two seconds. Errors: `invalid_argument` for a path
    /// that cannot be one, else `no_shared_memory`.
    [[nodiscard]] static Result<MappedFile> open(const std::string& path);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    [[nodiscard]] std::uint8_t* data() const noexcept {
        return data_;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_;
    }

private:
    MappedFile() = default;

    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    /// The open file that the lock is on: a descriptor, or a HANDLE.
    std::intptr_t file_ = -1;
};

}  // namespace detail

/// A file of shared memory that the node made (SPEC.md, section 17), opened, locked and mapped; its header is sound.
///
/// The lock, which tells the node that this client lives, is held until the mapping is gone. A program that forks
/// without starting another one shares the lock with its child.
class Mapping {
public:
    /// Open the file at a UTF-8 `path`, which exists. `generation`: the one that its header must have.
    ///
    /// Errors: as `MappedFile::open`; `protocol` where the header is not what it should be.
    [[nodiscard]] static Result<Mapping> open(const std::string& path,
                                              std::optional<std::uint64_t> generation = std::nullopt);

    /// What the header said when the file was opened. Later changes are not believed.
    [[nodiscard]] const Header& header() const noexcept {
        return header_;
    }
    /// The first byte of slot `index`, which must be one; `header().slot_bytes` bytes may be used.
    [[nodiscard]] std::uint8_t* slot(std::size_t index) const noexcept {
        return file_.data() + header_.offset(index);
    }
    [[nodiscard]] SlotEntry entry(std::size_t index) const noexcept {
        return SlotEntry(file_.data() + entry_offset(index));
    }

private:
    Mapping(detail::MappedFile file, const Header& header) : file_(std::move(file)), header_(header) {}

    detail::MappedFile file_;
    Header header_;
};

}  // namespace maskbus::shm
