#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "maskbus/bytes.hpp"
#include "maskbus/result.hpp"
#include "maskbus/shm/mapping.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::shm {

/// The parent's side of the two slots that it shares with its child (SPEC.md, section 18). One thread at a time.
class ChildMailbox {
public:
    /// What came out of the reply's slot: a header and its attachments, all in one piece of memory of their own.
    struct Reply {
        Bytes header;
        std::vector<Bytes> attachments;
    };

    /// Take a mapping over. Error: `protocol` where it has not two slots.
    [[nodiscard]] static Result<ChildMailbox> make(Mapping mapping, bool checksum);

    /// Secret that goes with every ring of the bell.
    [[nodiscard]] const std::array<std::uint8_t, 16>& token() const noexcept {
        return mapping_.header().token;
    }

    /// Whether the next request may be written: the child is done with the last one.
    [[nodiscard]] bool is_free() const noexcept {
        return !rung_ || mapping_.entry(request_slot).state() == SlotState::free;
    }

    /// Write a request, and set the reply's slot free. `is_free` must have said so. Returns the generation to ring for.
    /// Error: `too_large` where it does not fit; nothing has been written then.
    [[nodiscard]] Result<std::uint64_t> write(const wire::Message& message);

    /// Copy the reply that the bell was rung for, and set its slot free; none where the slot has moved on meanwhile.
    /// `generation` is none where the bell cannot say. Error: `protocol` for what is no message, or has another
    /// checksum than is said of it.
    [[nodiscard]] Result<std::optional<Reply>> read(std::optional<std::uint64_t> generation);

private:
    static constexpr std::size_t request_slot = 0;
    static constexpr std::size_t reply_slot = 1;

    ChildMailbox(Mapping mapping, bool checksum) : mapping_(std::move(mapping)), checksum_(checksum) {}

    Mapping mapping_;
    bool checksum_;
    bool rung_ = false;
};

namespace detail {

/// Split a message that is one run of bytes into its frames. Error: `protocol`.
[[nodiscard]] Result<ChildMailbox::Reply> split_message(const Bytes& data);

}  // namespace detail
}  // namespace maskbus::shm
