#include "maskbus/shm/slot_table.hpp"

#include "maskbus/shm/checksum.hpp"

namespace maskbus::shm::detail {
namespace {

/// How long a request that nobody waits for any more may take from here to the node.
constexpr std::chrono::milliseconds way(200);

Error not_whole(const std::string& what) {
    return {codes::protocol, "The node's answer in shared memory " + what + ".", "result"};
}

}  // namespace

std::optional<std::size_t> SlotTable::take() {
    const auto now = Clock::now();
    const std::lock_guard<std::mutex> lock(mutex_);
    // The first one was used most recently: it is in the processor's cache still, and a copy to it takes half the time.
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        Use& use = slots_[index];
        if (!use.lent && use.rests_until <= now && !entry(index).is_the_nodes()) {
            use.lent = true;
            return index;
        }
    }
    return std::nullopt;
}

std::optional<std::size_t> SlotTable::take_free() {
    const std::optional<std::size_t> index = take();
    if (index) {
        entry(*index).set_free();
    }
    return index;
}

void SlotTable::put_back(std::size_t index) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!entry(index).is_the_nodes()) {
        entry(index).set_free();
    }
    slots_[index].lent = false;
}

void SlotTable::abandon(std::size_t index) {
    const std::lock_guard<std::mutex> lock(mutex_);
    slots_[index].rests_until = Clock::now() + way;
    slots_[index].lent = false;
}

Result<Bytes> SlotTable::answer(std::size_t index, const Slot& named) {
    const Entry found = entry(index).read();
    if (found.state != SlotState::answered || found.owner != SlotOwner::client ||
        found.generation != static_cast<std::uint64_t>(named.generation) || found.generation % 2 != 0) {
        return not_whole("is not the one that was announced");
    }
    if (found.encoding != Content::masks || found.length > mapping_.header().slot_bytes) {
        return not_whole("is none of masks, or longer than the slot");
    }
    const auto length = static_cast<std::size_t>(found.length);
    if ((found.flags & has_checksum) != 0 && checksum(data(index), length) != found.checksum) {
        return not_whole("is not whole: its checksum is another");
    }
    std::shared_ptr<const void> owner(data(index),
                                      [table = shared_from_this(), index](const void*) { table->put_back(index); });
    return Bytes::with_owner(data(index), length, std::move(owner));
}

}  // namespace maskbus::shm::detail
