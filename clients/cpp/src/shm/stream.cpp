#include "maskbus/shm/stream.hpp"

#include <memory>
#include <utility>

#include "access.hpp"
#include "maskbus/detail/producer.hpp"

namespace maskbus::shm {

using detail::Access;
using maskbus::detail::Producer;
using maskbus::detail::ProducerOf;

Result<bool> send(Stream& stream, const SharedImage& image, const FrameOptions& options) {
    const std::shared_ptr<Producer>& producer = ProducerOf::of(stream);
    if (producer == nullptr) {
        return Error{codes::closed, "The stream has been moved elsewhere."};
    }
    if (!Access::belongs_to(image, *producer->core())) {
        return Error{codes::invalid_argument, "This image is not one of the stream's client's.", "image"};
    }
    const std::shared_ptr<detail::SlotLoan> loan = Access::loan(image);
    if (loan->table()->is_lost()) {
        return stream.send(image.view(), options);
    }
    const Entry what = loan->what();
    const Slot named = loan->begin_request(options.stamp.value_or(0));
    // The memory goes along: it must not be given back before the frame has arrived.
    auto taken = [loan, memory = Access::memory(image)](const Result<void>& news) {
        if (!news && news.error().code == codes::unknown_lease) {
            loan->table()->mark_lost();
        }
        loan->end_request(news || news.error().code != codes::closed);
    };
    Result<bool> sent =
        producer->send(wire::SlotImage{named, what.width, what.height}, options, nullptr, std::move(taken));
    if (!sent || !*sent) {
        loan->end_request(true);
    }
    return sent;
}

}  // namespace maskbus::shm
