#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "maskbus/error.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/result.hpp"

/// The layout of a file of shared memory, to the byte (SPEC.md, section 17). No file and no mapping here.
///
/// One header, one table of slots, then the slots. Everything is little endian and naturally aligned.
namespace maskbus::shm {

inline constexpr std::size_t header_bytes = 128;
inline constexpr std::size_t entry_bytes = 128;
/// Slots begin at multiples of this, which is a page nearly everywhere.
inline constexpr std::size_t alignment = 4096;
inline constexpr std::uint32_t most_slots = 64;

inline constexpr std::array<std::uint8_t, 8> magic = {'M', 'A', 'S', 'K', 'B', 'U', 'S', 0};
inline constexpr std::uint32_t byte_order = 0x01020304;
inline constexpr std::uint16_t major_version = 1;

/// Flag of an entry: `checksum` is the CRC-32 of the first `length` bytes.
inline constexpr std::uint32_t has_checksum = 1;

/// What is going on in a slot.
enum class SlotState : std::uint32_t {
    free = 0,       ///< Nothing is there. The client may write to it, or offer it for an answer.
    writing = 1,    ///< The client is writing.
    written = 2,    ///< What the client wrote is whole.
    reading = 3,    ///< The node reads what the client wrote. Not even the client may write.
    answering = 4,  ///< The node writes an answer. The client may not look.
    answered = 5,   ///< The answer is whole, and the client's until it sets the slot free.
};

/// Who may change a slot and its entry.
enum class SlotOwner : std::uint32_t { nobody = 0, client = 1, node = 2 };

/// What is in a slot: an image as in section 8 of SPEC.md, the bytes of an answer's masks, or a whole message.
enum class Content : std::uint32_t {
    nothing = 0,
    mono8 = 1,
    rgb8 = 2,
    bgr8 = 3,
    rgba8 = 4,
    bgra8 = 5,
    jpeg = 16,
    png = 17,
    webp = 18,
    masks = 64,
    message = 65,
};

[[nodiscard]] constexpr Content content_of(ImageEncoding encoding) noexcept {
    switch (encoding) {
        case ImageEncoding::mono8:
            return Content::mono8;
        case ImageEncoding::rgb8:
            return Content::rgb8;
        case ImageEncoding::bgr8:
            return Content::bgr8;
        case ImageEncoding::rgba8:
            return Content::rgba8;
        case ImageEncoding::bgra8:
            return Content::bgra8;
        case ImageEncoding::jpeg:
            return Content::jpeg;
        case ImageEncoding::png:
            return Content::png;
        case ImageEncoding::webp:
            return Content::webp;
    }
    return Content::nothing;
}

/// Return `bytes`, at least 1, rounded up to what a slot takes. `bytes` is at most 2^63.
[[nodiscard]] constexpr std::uint64_t round_slot(std::uint64_t bytes) noexcept {
    return ((bytes == 0 ? 1 : bytes) + alignment - 1) / alignment * alignment;
}

/// Return where the table says what is in slot `index`.
[[nodiscard]] constexpr std::size_t entry_offset(std::size_t index) noexcept {
    return header_bytes + entry_bytes * index;
}

/// Where the fields of an entry are that two programs change and look at, from its beginning.
inline constexpr std::size_t generation_offset = 0;
inline constexpr std::size_t state_offset = 8;
inline constexpr std::size_t owner_offset = 12;

namespace detail {

template <class Number>
[[nodiscard]] constexpr Number read_little(const std::uint8_t* at) noexcept {
    std::uint64_t number = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;) {
        number = number << 8 | at[i];
    }
    return static_cast<Number>(number);
}

template <class Number>
constexpr void write_little(std::uint8_t* at, Number number) noexcept {
    auto rest = static_cast<std::uint64_t>(number);
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        at[i] = static_cast<std::uint8_t>(rest & 0xff);
        rest >>= 8;
    }
}

}  // namespace detail

/// The first 128 bytes of the file. They never change while it lives.
struct Header {
    /// Of the file: a random number below 2^63 that the lease's reply names as well.
    std::uint64_t generation = 0;
    std::uint32_t slots = 0;
    /// Bytes of one slot, a multiple of 4096.
    std::uint64_t slot_bytes = 0;
    /// Secret that proves to the other side that one can read the file; all zero where none is needed.
    std::array<std::uint8_t, 16> token = {};

    /// Return where the first slot begins.
    [[nodiscard]] constexpr std::uint64_t data_offset() const noexcept {
        return round_slot(header_bytes + entry_bytes * std::uint64_t{slots});
    }
    /// Return the bytes of the whole file.
    [[nodiscard]] constexpr std::uint64_t file_bytes() const noexcept {
        return data_offset() + slots * slot_bytes;
    }
    /// Return where slot `index` begins.
    [[nodiscard]] constexpr std::uint64_t offset(std::size_t index) const noexcept {
        return data_offset() + index * slot_bytes;
    }

    /// Read the header of a file that really has `real_bytes` bytes; `size` of them are at `data`.
    ///
    /// Error: `protocol`, if it is of another kind, version or size than it says or than is understood here.
    [[nodiscard]] static Result<Header> parse(const std::uint8_t* data, std::size_t size, std::uint64_t real_bytes) {
        if (size < header_bytes) {
            return wrong("has " + std::to_string(size) + " bytes, which is not even a header");
        }
        if (!std::equal(magic.begin(), magic.end(), data) ||
            detail::read_little<std::uint32_t>(data + 8) != byte_order) {
            return wrong("is none of maskbus");
        }
        if (const auto major = detail::read_little<std::uint16_t>(data + 12); major != major_version) {
            return wrong("has version " + std::to_string(major) + " of its layout; " + std::to_string(major_version) +
                         " is understood here");
        }
        Header header;
        header.generation = detail::read_little<std::uint64_t>(data + 16);
        header.slots = detail::read_little<std::uint32_t>(data + 24);
        header.slot_bytes = detail::read_little<std::uint64_t>(data + 32);
        std::copy_n(data + 64, header.token.size(), header.token.begin());
        if (header.slots < 1 || header.slots > most_slots ||
            detail::read_little<std::uint32_t>(data + 28) != entry_bytes || header.slot_bytes == 0 ||
            header.slot_bytes % alignment != 0) {
            return wrong("has an impossible table of slots");
        }
        // Slots beyond the file's real end are also what a product that overflows would hide.
        if (header.slot_bytes > real_bytes / header.slots || header.file_bytes() > real_bytes ||
            detail::read_little<std::uint64_t>(data + 40) != header.data_offset() ||
            detail::read_little<std::uint64_t>(data + 48) != header.file_bytes()) {
            return wrong("has " + std::to_string(real_bytes) + " bytes, which is not what its slots take");
        }
        return header;
    }

private:
    static Error wrong(const std::string& what) {
        return {codes::protocol, "The file of shared memory " + what + "."};
    }
};

/// What the table says of one slot.
struct Entry {
    /// Odd while somebody writes; two more each time something else is whole.
    std::uint64_t generation = 0;
    SlotState state = SlotState::free;
    SlotOwner owner = SlotOwner::nobody;
    /// Bytes of the slot that are used.
    std::uint64_t length = 0;
    /// Pixels of an image; 0 for files: they know it.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    /// Bytes from one row to the next; 0: rows are packed, or the encoding has none.
    std::uint32_t step = 0;
    Content encoding = Content::nothing;
    std::uint32_t flags = 0;
    std::uint32_t checksum = 0;
    /// Nanoseconds since the epoch; 0 where nobody said.
    std::int64_t stamp = 0;

    /// Read an entry; any 128 bytes are one. Error: `protocol` where there are fewer.
    [[nodiscard]] static Result<Entry> parse(const std::uint8_t* data, std::size_t size) {
        if (size < entry_bytes) {
            return Error{codes::protocol, "An entry of shared memory has 128 bytes, not " + std::to_string(size) + "."};
        }
        return read(data);
    }

    /// Read the 128 bytes of an entry.
    [[nodiscard]] static constexpr Entry read(const std::uint8_t* data) noexcept {
        Entry entry;
        entry.generation = detail::read_little<std::uint64_t>(data + generation_offset);
        entry.state = static_cast<SlotState>(detail::read_little<std::uint32_t>(data + state_offset));
        entry.owner = static_cast<SlotOwner>(detail::read_little<std::uint32_t>(data + owner_offset));
        entry.length = detail::read_little<std::uint64_t>(data + 16);
        entry.width = detail::read_little<std::uint32_t>(data + 24);
        entry.height = detail::read_little<std::uint32_t>(data + 28);
        entry.step = detail::read_little<std::uint32_t>(data + 32);
        entry.encoding = static_cast<Content>(detail::read_little<std::uint32_t>(data + 36));
        entry.flags = detail::read_little<std::uint32_t>(data + 40);
        entry.checksum = detail::read_little<std::uint32_t>(data + 44);
        entry.stamp = detail::read_little<std::int64_t>(data + 48);
        return entry;
    }

    /// Write what describes the slot's bytes, from `length` to `stamp`, into an entry; its first 16 bytes are not
    /// touched.
    constexpr void write_description(std::uint8_t* data) const noexcept {
        detail::write_little(data + 16, length);
        detail::write_little(data + 24, width);
        detail::write_little(data + 28, height);
        detail::write_little(data + 32, step);
        detail::write_little(data + 36, static_cast<std::uint32_t>(encoding));
        detail::write_little(data + 40, flags);
        detail::write_little(data + 44, checksum);
        detail::write_little(data + 48, stamp);
    }

    /// Write all of it.
    constexpr void write(std::uint8_t* data) const noexcept {
        detail::write_little(data + generation_offset, generation);
        detail::write_little(data + state_offset, static_cast<std::uint32_t>(state));
        detail::write_little(data + owner_offset, static_cast<std::uint32_t>(owner));
        write_description(data);
    }
};

}  // namespace maskbus::shm
