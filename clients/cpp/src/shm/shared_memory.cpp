#include "maskbus/shm/shared_memory.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "maskbus/detail/client_core.hpp"
#include "maskbus/limits.hpp"
#include "memory.hpp"

namespace maskbus::shm {
namespace {

using maskbus::detail::ClientCore;
using maskbus::detail::Core;
using maskbus::detail::Milliseconds;

Error impossible(const char* field, const std::string& sentence) {
    return {codes::invalid_value, sentence, field};
}

/// Describe raw pixels; what the node would refuse is refused here.
Result<Entry> describe(std::uint32_t width, std::uint32_t height, ImageEncoding encoding, std::size_t step) {
    const std::size_t count = channels(encoding);
    if (count == 0) {
        return impossible("encoding", "The encoding is none of raw pixels.");
    }
    const Limits& limits = request_limits;
    if (width < 1 || height < 1 || width > limits.side || height > limits.side) {
        return impossible("width", "A side has 1 to " + std::to_string(limits.side) + " pixels.");
    }
    const std::uint64_t row = std::uint64_t{width} * count;
    if (step != 0 && (step < row || step > std::numeric_limits<std::uint32_t>::max())) {
        return impossible("step", "A row of this image takes " + std::to_string(row) + " bytes, and at most 2^32 - 1.");
    }
    if (std::uint64_t{width} * height > limits.pixels) {
        return Error{codes::too_large, "An image has at most " + std::to_string(limits.pixels) + " pixels.", "width"};
    }
    Entry what;
    what.width = width;
    what.height = height;
    what.step = static_cast<std::uint32_t>(step);
    what.encoding = content_of(encoding);
    what.length = std::uint64_t{height - 1} * (step == 0 ? row : step) + row;
    return what;
}

Result<std::shared_ptr<detail::SlotLoan>> take(const detail::Memory* memory, const Entry& what) {
    if (memory == nullptr) {
        return Error{codes::invalid_argument, "The memory has been moved elsewhere."};
    }
    const std::shared_ptr<detail::SlotTable> table = memory->table();
    if (what.length > table->slot_bytes()) {
        return Error{codes::too_large, "The image takes " + std::to_string(what.length) + " bytes; a slot has " +
                                           std::to_string(table->slot_bytes()) + "."};
    }
    const std::optional<std::size_t> index = table->take();
    if (!index) {
        return Error{codes::no_free_slot, "All " + std::to_string(table->size()) + " slots are in use."};
    }
    return std::make_shared<detail::SlotLoan>(table, *index, what, memory->options().checksum);
}

}  // namespace

Result<SharedMemory> SharedMemory::lease(Client& client, const SharedMemoryOptions& options) {
    const std::shared_ptr<Core> core = ClientCore::of(client);
    if (core == nullptr) {
        return Error{codes::closed, "The client has been moved elsewhere."};
    }
    const Result<Milliseconds> total = core->peer().deadline(options.deadline);
    if (!total) {
        return total.error();
    }
    if (options.slot_bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return impossible("slot_bytes", "There is no such slot.");
    }
    auto memory = std::make_shared<detail::Memory>(core, options);
    if (Result<std::shared_ptr<detail::SlotTable>> made = memory->renew(*core, nullptr, *total); !made) {
        return std::move(made).error();
    }
    return SharedMemory(std::move(memory));
}

Result<SharedImage> SharedMemory::image(std::uint32_t width, std::uint32_t height, ImageEncoding encoding,
                                        std::size_t step) {
    const Result<Entry> what = describe(width, height, encoding, step);
    if (!what) {
        return what.error();
    }
    Result<std::shared_ptr<detail::SlotLoan>> loan = take(memory_.get(), *what);
    if (!loan) {
        return std::move(loan).error();
    }
    return SharedImage(memory_, *std::move(loan), encoding);
}

Result<SharedImage> SharedMemory::file(ImageEncoding encoding, std::size_t bytes) {
    if (channels(encoding) != 0 || bytes == 0) {
        return impossible(bytes == 0 ? "bytes" : "encoding", "A file is JPEG, PNG or WebP, and has at least one byte.");
    }
    Entry what;
    what.encoding = content_of(encoding);
    what.length = bytes;
    Result<std::shared_ptr<detail::SlotLoan>> loan = take(memory_.get(), what);
    if (!loan) {
        return std::move(loan).error();
    }
    return SharedImage(memory_, *std::move(loan), encoding);
}

Result<SharedImage> SharedMemory::copy_of(const ImageView& view) {
    if (view.data == nullptr) {
        return impossible("data", "There is no image.");
    }
    if (channels(view.encoding) == 0) {
        Result<SharedImage> made = file(view.encoding, view.bytes);
        if (made) {
            std::memcpy(made->data(), view.data, view.bytes);
        }
        return made;
    }
    const std::size_t row = std::size_t{view.width} * channels(view.encoding);
    const std::size_t stride = view.step == 0 ? row : view.step;
    if (stride < row || (view.height > 0 && view.bytes < stride * (view.height - 1) + row)) {
        return Error{codes::invalid_image, "The image has fewer bytes than its size and step need.", "bytes"};
    }
    // Rows are packed on the way: padding is nobody's business, and might not even fit.
    Result<SharedImage> made = image(view.width, view.height, view.encoding);
    if (!made) {
        return made;
    }
    const auto* from = static_cast<const std::uint8_t*>(view.data);
    if (stride == row) {
        std::memcpy(made->data(), from, row * view.height);
        return made;
    }
    for (std::size_t y = 0; y < view.height; ++y) {
        std::memcpy(made->data() + y * row, from + y * stride, row);
    }
    return made;
}

Result<void> SharedMemory::renew(Client& client, CallOptions options) {
    const std::shared_ptr<Core> core = ClientCore::of(client);
    if (core == nullptr || memory_ == nullptr || !memory_->belongs_to(*core)) {
        return Error{codes::invalid_argument, "This memory is not one of this client's.", "client"};
    }
    const Result<Milliseconds> total = core->peer().deadline(options.deadline);
    if (!total) {
        return total.error();
    }
    const std::shared_ptr<detail::SlotTable> known = memory_->table();
    if (!known->is_lost()) {
        return {};
    }
    Result<std::shared_ptr<detail::SlotTable>> made = memory_->renew(*core, known, *total);
    return made ? Result<void>() : Result<void>(std::move(made).error());
}

std::size_t SharedMemory::slots() const {
    return memory_ == nullptr ? 0 : memory_->table()->size();
}

std::size_t SharedMemory::slot_bytes() const {
    return memory_ == nullptr ? 0 : memory_->table()->slot_bytes();
}

}  // namespace maskbus::shm
