#include "maskbus/shm/segment.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "access.hpp"
#include "maskbus/detail/fields.hpp"
#include "maskbus/detail/read_masks.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::shm {

namespace {

using detail::Access;
using detail::Memory;
using detail::SlotLoan;
using detail::SlotTable;
using maskbus::detail::Arrival;
using maskbus::detail::ClientCore;
using maskbus::detail::Clock;
using maskbus::detail::Core;
using maskbus::detail::Milliseconds;
using maskbus::detail::TimePoint;

/// Whether the node has said its last word about a request that ended with this error; else it may still get it, or
/// work on it.
bool is_settled(const Error& error) {
    for (const char* code :
         {codes::unreachable, codes::deadline_exceeded, codes::cancelled, codes::closed, codes::protocol}) {
        if (error.code == code) {
            return false;
        }
    }
    return true;
}

/// Return the slot that a reply says its bytes are in.
std::optional<Slot> named_in(const wire::Opened& opened) {
    const msgpack::object* field = maskbus::detail::find_field(opened.header(), "result");
    if (field == nullptr) {
        return std::nullopt;
    }
    maskbus::detail::Reading in{opened};
    Slot slot;
    read(in, *field, maskbus::detail::Where{}, slot);
    return in.error ? std::nullopt : std::optional<Slot>(std::move(slot));
}

/// One request about an image in a slot, in as many tries as it takes: which slots it names, and what becomes of them.
class SlotRequest {
public:
    SlotRequest(std::shared_ptr<SlotLoan> image, bool wants_slot, std::int64_t stamp)
        : image_(std::move(image)), wants_slot_(wants_slot), named_(image_->begin_request(stamp)) {
        const Entry what = image_->what();
        width_ = what.width;
        height_ = what.height;
    }
    SlotRequest(const SlotRequest&) = delete;
    SlotRequest& operator=(const SlotRequest&) = delete;

    /// A request that is thrown away may still be under way.
    ~SlotRequest() {
        end(false);
    }

    [[nodiscard]] Result<wire::Message> encode(const Prompt& prompt, const SegmentOptions& options,
                                               const std::string& id, std::int64_t left) {
        const std::optional<Slot> result = offer(options);
        return wire::segment(wire::SlotImage{named_, width_, height_}, prompt, options, id, left,
                             result ? &*result : nullptr);
    }

    /// Read the answer. The request is over.
    [[nodiscard]] Result<Segmentation> read(const Arrival& arrival) {
        if (!arrival) {
            if (arrival.error().code == codes::unknown_lease) {
                image_->table()->mark_lost();
            }
            end(is_settled(arrival.error()));
            return arrival.error();
        }
        Bytes shared;
        if (const std::optional<Slot> slot = named_in(*arrival); slot && !offered_.empty()) {
            Result<Bytes> found = find(*slot);
            if (!found) {
                end(false);
                return std::move(found).error();
            }
            shared = *std::move(found);
        }
        end(true);
        return wire::segmentation(*arrival, shared);
    }

private:
    /// Return a slot for the answer, the one of the try before where it is still as it was.
    [[nodiscard]] std::optional<Slot> offer(const SegmentOptions& options) {
        if (!wants_slot_ || options.encodings.empty()) {
            return std::nullopt;
        }
        SlotTable& table = *image_->table();
        if (offered_.empty() || table.entry(offered_.back()).state() != SlotState::free) {
            const std::optional<std::size_t> index = table.take_free();
            if (!index) {
                return std::nullopt;
            }
            offered_.push_back(*index);
        }
        const std::size_t index = offered_.back();
        return Slot{table.lease(), static_cast<std::int64_t>(index),
                    static_cast<std::int64_t>(table.entry(index).generation())};
    }

    /// Return the bytes of the answer; its slot is theirs then.
    [[nodiscard]] Result<Bytes> find(const Slot& slot) {
        SlotTable& table = *image_->table();
        const auto index = std::find(offered_.begin(), offered_.end(), static_cast<std::size_t>(slot.index));
        if (slot.lease != table.lease() || index == offered_.end()) {
            return Error{codes::protocol, "The node's answer is in a slot that was not offered for it.", "result"};
        }
        Result<Bytes> found = table.answer(*index, slot);
        if (found) {
            offered_.erase(index);
        }
        return found;
    }

    void end(bool settled) {
        if (over_) {
            return;
        }
        over_ = true;
        // Of several tries more than one may have arrived.
        const bool arrived = settled && offered_.size() <= 1;
        for (const std::size_t index : offered_) {
            if (arrived) {
                image_->table()->put_back(index);
            } else {
                image_->table()->abandon(index);
            }
        }
        offered_.clear();
        image_->end_request(settled);
    }

    std::shared_ptr<SlotLoan> image_;
    bool wants_slot_;
    Slot named_;
    std::uint32_t width_ = 0;
    std::uint32_t height_ = 0;
    std::vector<std::size_t> offered_;
    bool over_ = false;
};

Result<Segmentation> ask(Core& core, const Memory& memory, std::shared_ptr<SlotLoan> image, const Prompt& prompt,
                         const SegmentOptions& options, Milliseconds deadline) {
    SlotRequest request(std::move(image), memory.options().masks, options.stamp.value_or(0));
    const auto encode = [&](const std::string& id, std::int64_t left) {
        return request.encode(prompt, options, id, left);
    };
    return request.read(core.ask(encode, deadline, true, options.id));
}

/// Put an image of a lease that is gone into another one.
Result<std::shared_ptr<SlotLoan>> moved(const SlotLoan& image, const std::shared_ptr<SlotTable>& table, bool checksum) {
    const std::optional<std::size_t> index = table->take();
    if (!index) {
        return Error{codes::no_free_slot, "The memory was leased again, and all its slots are in use."};
    }
    const Entry what = image.what();
    auto made = std::make_shared<SlotLoan>(table, *index, what, checksum);
    std::copy_n(image.data(), static_cast<std::size_t>(what.length), made->data());
    return made;
}

/// Return the core of a client that an image belongs to.
Result<std::shared_ptr<Core>> core_of(const Client& client, const SharedImage& image) {
    const std::shared_ptr<Core> core = ClientCore::of(client);
    if (core == nullptr) {
        return Error{codes::closed, "The client has been moved elsewhere."};
    }
    if (!Access::belongs_to(image, *core)) {
        return Error{codes::invalid_argument, "This image is not one of this client's.", "image"};
    }
    return core;
}

}  // namespace

Result<Segmentation> segment(Client& client, const SharedImage& image, const Prompt& prompt,
                             const SegmentOptions& options) {
    const Result<std::shared_ptr<Core>> core = core_of(client, image);
    if (!core) {
        return core.error();
    }
    const Result<Milliseconds> total = (*core)->peer().deadline(options.deadline);
    if (!total) {
        return total.error();
    }
    const TimePoint end = Clock::now() + *total;
    const auto left = [end] {
        return std::max(Milliseconds(1), Milliseconds(maskbus::detail::milliseconds_until(end, Clock::now())));
    };
    Memory& memory = *Access::memory(image);
    const std::shared_ptr<SlotLoan>& loan = Access::loan(image);
    Result<Segmentation> masks = ask(**core, memory, loan, prompt, options, *total);
    if (masks || masks.error().code != codes::unknown_lease) {
        return masks;
    }
    // Another run of the node.
    const Result<std::shared_ptr<SlotTable>> table = memory.renew(**core, loan->table(), left());
    if (!table) {
        return table.error();
    }
    Result<std::shared_ptr<SlotLoan>> copy = moved(*loan, *table, memory.options().checksum);
    if (!copy) {
        return std::move(copy).error();
    }
    return ask(**core, memory, *std::move(copy), prompt, options, left());
}

std::future<Result<Segmentation>> segment_async(Client& client, const SharedImage& image, Prompt prompt,
                                                SegmentOptions options) {
    const auto promise = std::make_shared<std::promise<Result<Segmentation>>>();
    std::future<Result<Segmentation>> future = promise->get_future();
    const Result<std::shared_ptr<Core>> core = core_of(client, image);
    if (!core) {
        promise->set_value(core.error());
        return future;
    }
    const auto request = std::make_shared<SlotRequest>(Access::loan(image), Access::memory(image)->options().masks,
                                                       options.stamp.value_or(0));
    const Milliseconds deadline = options.deadline;
    const std::string id = options.id;
    auto encode = [request, prompt = maskbus::detail::owned(std::move(prompt)),
                   options = std::move(options)](const std::string& request_id, std::int64_t left) {
        return maskbus::detail::keeping(request->encode(prompt, options, request_id, left), {}, prompt);
    };
    // The memory goes along: it must not be given back before the request has arrived.
    (*core)->post(std::move(encode), deadline, id,
                  [request, promise, memory = Access::memory(image)](const Arrival& arrival) {
                      promise->set_value(request->read(arrival));
                  });
    return future;
}

}  // namespace maskbus::shm
