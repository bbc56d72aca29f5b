#include "maskbus/shm/checksum.hpp"
#include "maskbus/shm/codes.hpp"
#include "maskbus/shm/shared_image.hpp"

namespace maskbus::shm::detail {

SlotLoan::SlotLoan(std::shared_ptr<SlotTable> table, std::size_t index, const Entry& what, bool checksum)
    : table_(std::move(table)), index_(index), checksum_(checksum), what_(what) {
    table_->entry(index_).begin_write();
}

SlotLoan::~SlotLoan() {
    if (abandoned_) {
        table_->abandon(index_);
    } else {
        table_->put_back(index_);
    }
}

Entry SlotLoan::what() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return what_;
}

Result<void> SlotLoan::resize(std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (what_.width != 0 || whole_) {
        return Error{codes::invalid_argument, "Only a file that is not whole yet can change its length."};
    }
    if (bytes == 0 || bytes > table_->slot_bytes()) {
        return Error{codes::invalid_argument,
                     "A file here has 1 to " + std::to_string(table_->slot_bytes()) + " bytes.", "bytes"};
    }
    what_.length = bytes;
    return {};
}

void SlotLoan::finish(std::int64_t stamp) {
    const std::lock_guard<std::mutex> lock(mutex_);
    finish_locked(stamp);
}

void SlotLoan::finish_locked(std::int64_t stamp) {
    if (whole_) {
        return;
    }
    what_.stamp = stamp;
    what_.flags = checksum_ ? has_checksum : 0;
    what_.checksum = checksum_ ? checksum(data(), static_cast<std::size_t>(what_.length)) : 0;
    what_.generation = table_->entry(index_).end_write(what_);
    whole_ = true;
}

Result<void> SlotLoan::rewrite() {
    const std::lock_guard<std::mutex> lock(mutex_);
    SlotEntry entry = table_->entry(index_);
    if (requests_ > 0 || entry.is_the_nodes()) {
        return Error{codes::slot_in_use, "A request about what is in the slot is under way."};
    }
    entry.begin_write();
    whole_ = false;
    return {};
}

Slot SlotLoan::begin_request(std::int64_t stamp) {
    const std::lock_guard<std::mutex> lock(mutex_);
    finish_locked(stamp);
    ++requests_;
    return {table_->lease(), static_cast<std::int64_t>(index_), static_cast<std::int64_t>(what_.generation)};
}

void SlotLoan::end_request(bool arrived) {
    const std::lock_guard<std::mutex> lock(mutex_);
    --requests_;
    abandoned_ = abandoned_ || !arrived;
}

}  // namespace maskbus::shm::detail
