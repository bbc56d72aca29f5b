#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "maskbus/image_view.hpp"
#include "maskbus/result.hpp"
#include "maskbus/shm/layout.hpp"
#include "maskbus/shm/slot_table.hpp"

namespace maskbus::shm {

namespace detail {

class Memory;
struct Access;

/// A slot that an image is written to, for as long as somebody needs the image.
class SlotLoan {
public:
    SlotLoan(std::shared_ptr<SlotTable> table, std::size_t index, const Entry& what, bool checksum);
    SlotLoan(const SlotLoan&) = delete;
    SlotLoan& operator=(const SlotLoan&) = delete;
    ~SlotLoan();

    [[nodiscard]] const std::shared_ptr<SlotTable>& table() const noexcept {
        return table_;
    }
    [[nodiscard]] std::uint8_t* data() const noexcept {
        return table_->data(index_);
    }
    [[nodiscard]] Entry what() const;
    [[nodiscard]] Result<void> resize(std::size_t bytes);

    /// Say that the image is whole, unless that has been said.
    void finish(std::int64_t stamp);
    /// Begin to write again. Error: `slot_in_use` while the node reads, or a request is under way.
    [[nodiscard]] Result<void> rewrite();

    /// Say that the image is whole, and that a request is under way about it; return how it names the slot.
    [[nodiscard]] Slot begin_request(std::int64_t stamp);
    /// Say that the request is over; `arrived`: whether it is certain that the node has nothing more of it to come.
    void end_request(bool arrived);

private:
    std::shared_ptr<SlotTable> table_;
    std::size_t index_;
    bool checksum_;
    mutable std::mutex mutex_;  // for all that follows
    Entry what_;
    bool whole_ = false;
    int requests_ = 0;
    bool abandoned_ = false;

    void finish_locked(std::int64_t stamp);
};

}  // namespace detail

/// An image in a slot of shared memory, to be written where the node looks at it. Move-only; made by `SharedMemory`.
///
/// Point the camera's driver at `data()`, and call `segment` (shm/segment.hpp) once the frame is there. The pixels may
/// be written until then; to write the next frame to the same slot, call `rewrite` first. The slot is given back when
/// this is destroyed, and may then hold another image at once. It keeps the memory mapped, also after the
/// `SharedMemory`.
///
/// The pixels belong to one thread until `segment` is called; from then on any number may ask for masks of them.
class SharedImage {
public:
    SharedImage(SharedImage&&) noexcept = default;
    SharedImage& operator=(SharedImage&&) noexcept = default;
    ~SharedImage() = default;

    /// The first byte: row 0, pixel 0, or the first of the file. At a multiple of 4096. Null once moved elsewhere.
    [[nodiscard]] std::uint8_t* data() const noexcept {
        return loan_ == nullptr ? nullptr : loan_->data();
    }
    /// Bytes from there on: raw images step × (height − 1) + width × channels; else those of the file.
    [[nodiscard]] std::size_t size() const {
        return static_cast<std::size_t>(what().length);
    }
    /// Pixels; 0 for files.
    [[nodiscard]] std::uint32_t width() const {
        return what().width;
    }
    [[nodiscard]] std::uint32_t height() const {
        return what().height;
    }
    /// Bytes from the start of a row to that of the next; 0 for files.
    [[nodiscard]] std::size_t step() const {
        const Entry now = what();
        return now.step == 0 ? now.width * channels(encoding_) : now.step;
    }
    [[nodiscard]] ImageEncoding encoding() const noexcept {
        return encoding_;
    }
    /// View it as any other image, to send it as an attachment, say. As long as this lives.
    [[nodiscard]] ImageView view() const {
        const Entry now = what();
        return {data(), static_cast<std::size_t>(now.length), now.width, now.height, now.step, encoding_};
    }

    /// Say that the image is whole. `segment` says it where it has not been said; `stamp`: as in `SegmentOptions`.
    void finish(std::int64_t stamp = 0) const {
        if (loan_ != nullptr) {
            loan_->finish(stamp);
        }
    }

    /// Begin to write another image of the same size to the slot. Error `slot_in_use`: a request about this one is
    /// under way; take another slot.
    [[nodiscard]] Result<void> rewrite() {
        return loan_ == nullptr ? moved_away() : loan_->rewrite();
    }

    /// Say how long the file turned out to be: at least 1 byte, and at most those of the slot. Error
    /// `invalid_argument`; also for raw images, and once it is whole.
    [[nodiscard]] Result<void> resize(std::size_t bytes) {
        return loan_ == nullptr ? moved_away() : loan_->resize(bytes);
    }

private:
    friend class SharedMemory;
    friend struct detail::Access;

    SharedImage(std::shared_ptr<detail::Memory> memory, std::shared_ptr<detail::SlotLoan> loan, ImageEncoding encoding)
        : memory_(std::move(memory)), loan_(std::move(loan)), encoding_(encoding) {}

    [[nodiscard]] Entry what() const {
        return loan_ == nullptr ? Entry{} : loan_->what();
    }
    static Result<void> moved_away() {
        return Error{codes::invalid_argument, "The image has been moved elsewhere."};
    }

    std::shared_ptr<detail::Memory> memory_;
    std::shared_ptr<detail::SlotLoan> loan_;
    ImageEncoding encoding_;
};

}  // namespace maskbus::shm
