#include "memory.hpp"

#include <string>
#include <utility>

#include "maskbus/wire.hpp"

namespace maskbus::shm::detail {

using maskbus::detail::Arrival;
using maskbus::detail::Clock;
using maskbus::detail::Core;
using maskbus::detail::Milliseconds;

Memory::~Memory() {
    const std::shared_ptr<Core> core = core_.lock();
    if (core == nullptr || table_ == nullptr) {
        return;
    }
    core->tell([this](const std::string& id, std::int64_t) { return wire::give_back(table_->lease(), id); });
}

std::shared_ptr<SlotTable> Memory::table() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return table_;
}

Result<std::shared_ptr<SlotTable>> Memory::renew(Core& core, const std::shared_ptr<SlotTable>& known,
                                                 Milliseconds deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!changed_.wait_until(lock, Clock::now() + deadline, [this] { return !asking_; })) {
        return Error{codes::deadline_exceeded, "Shared memory was still being asked for by another call."};
    }
    if (table_ != known) {
        return table_;
    }
    asking_ = true;
    lock.unlock();
    Result<std::shared_ptr<SlotTable>> made = ask(core, deadline);
    lock.lock();
    asking_ = false;
    changed_.notify_all();
    if (made) {
        table_ = *made;
    }
    return made;
}

Result<std::shared_ptr<SlotTable>> Memory::ask(Core& core, Milliseconds deadline) const {
    const auto encode = [this](const std::string& id, std::int64_t) {
        return wire::lease(options_.slots, static_cast<std::int64_t>(options_.slot_bytes), id);
    };
    const Arrival arrival = core.ask(encode, deadline, false);
    if (!arrival) {
        return arrival.error();
    }
    const Result<Leased> leased = wire::leased(*arrival);
    if (!leased) {
        return leased.error();
    }
    Result<Mapping> mapping = Mapping::open(leased->path, static_cast<std::uint64_t>(leased->generation));
    const bool fits = mapping && mapping->header().slots == static_cast<std::uint32_t>(options_.slots) &&
                      mapping->header().slot_bytes >= options_.slot_bytes;
    if (fits) {
        return std::make_shared<SlotTable>(leased->lease, *std::move(mapping));
    }
    core.tell([&](const std::string& id, std::int64_t) { return wire::give_back(leased->lease, id); });
    if (!mapping) {
        return std::move(mapping).error();
    }
    return Error{codes::protocol, "The node leased shared memory of another size than it was asked for."};
}

}  // namespace maskbus::shm::detail
