#pragma once

#include <cstdint>

#include "maskbus/shm/atomics.hpp"
#include "maskbus/shm/layout.hpp"

namespace maskbus::shm {

/// One slot's entry where it is mapped, as a client reads and changes it (SPEC.md, section 17).
///
/// Between processes the states say whose turn it is. Two threads of one process must not change one entry at a time.
class SlotEntry {
public:
    /// Look at 128 bytes at a multiple of 8, which stay mapped for as long as this is used.
    explicit SlotEntry(std::uint8_t* at) noexcept : at_(at) {}

    [[nodiscard]] std::uint64_t generation() const noexcept {
        return detail::load<std::uint64_t>(at_ + generation_offset);
    }
    [[nodiscard]] SlotState state() const noexcept {
        return static_cast<SlotState>(detail::load<std::uint32_t>(at_ + state_offset));
    }
    [[nodiscard]] SlotOwner owner() const noexcept {
        return static_cast<SlotOwner>(detail::load<std::uint32_t>(at_ + owner_offset));
    }
    /// Whether the node has the slot, to read it or to write an answer.
    [[nodiscard]] bool is_the_nodes() const noexcept {
        const SlotState now = state();
        return now == SlotState::reading || now == SlotState::answering;
    }

    /// Read the entry: the state and the generation first, so that whoever finds these as they should be has read what
    /// belongs to them.
    [[nodiscard]] Entry read() const noexcept {
        const SlotState state_now = state();
        const std::uint64_t generation_now = generation();
        Entry entry = Entry::read(at_);
        entry.state = state_now;
        entry.generation = generation_now;
        return entry;
    }

    /// Begin to write: from here on nobody trusts what is in the slot.
    void begin_write() noexcept {
        set(SlotState::writing, SlotOwner::client);
        const std::uint64_t now = generation();
        set_generation(now + (now % 2 == 0 ? 1 : 2));
        detail::write_barrier();
    }

    /// End what `begin_write` began: say what is in the slot now. State, owner and generation of `what` are not looked
    /// at. Returns the generation by which a request names it.
    std::uint64_t end_write(const Entry& what) noexcept {
        what.write_description(at_);
        const std::uint64_t whole = generation() + 1;
        set_generation(whole);
        detail::store(at_ + state_offset, static_cast<std::uint32_t>(SlotState::written));
        return whole;
    }

    /// Set the slot free, for the next answer or image; of what was half written nothing is left.
    void set_free() noexcept {
        if (const std::uint64_t now = generation(); now % 2 != 0) {
            set_generation(now + 1);
        }
        set(SlotState::free, SlotOwner::client);
    }

private:
    void set(SlotState state, SlotOwner owner) noexcept {
        // Owner before state: a free slot may belong to either.
        detail::store(at_ + owner_offset, static_cast<std::uint32_t>(owner));
        detail::store(at_ + state_offset, static_cast<std::uint32_t>(state));
    }
    void set_generation(std::uint64_t generation) noexcept {
        detail::store(at_ + generation_offset, generation);
    }

    std::uint8_t* at_;
};

}  // namespace maskbus::shm
