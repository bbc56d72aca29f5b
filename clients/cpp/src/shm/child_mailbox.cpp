#include "maskbus/shm/child_mailbox.hpp"

#include <cstring>
#include <limits>
#include <string>

#include "maskbus/limits.hpp"
#include "maskbus/shm/checksum.hpp"
#include "maskbus/shm/layout.hpp"

namespace maskbus::shm {
namespace {

constexpr std::size_t head_bytes = 8;
constexpr std::size_t length_bytes = 8;

Error broken(const std::string& what) {
    return {codes::protocol, "The child's reply is none: " + what + "."};
}

std::uint8_t* append(std::uint8_t* at, const void* data, std::size_t size) {
    if (size != 0) {
        std::memcpy(at, data, size);
    }
    return at + size;
}

}  // namespace

Result<ChildMailbox> ChildMailbox::make(Mapping mapping, bool checksum) {
    if (mapping.header().slots != 2) {
        return Error{codes::protocol,
                     "The child's mapping has " + std::to_string(mapping.header().slots) + " slots where two are due."};
    }
    return ChildMailbox(std::move(mapping), checksum);
}

Result<std::uint64_t> ChildMailbox::write(const wire::Message& message) {
    const std::size_t frames = 1 + message.attachments.size();
    std::uint64_t bytes = head_bytes + length_bytes * frames + message.header.size();
    for (const Bytes& attachment : message.attachments) {
        bytes += attachment.size();
    }
    const std::uint64_t most = mapping_.header().slot_bytes;
    if (bytes > most) {
        return Error{codes::too_large,
                     "The request takes " + std::to_string(bytes) + " bytes; its slot has " + std::to_string(most) +
                         ". Start the child with a larger mapping.",
                     "image"};
    }
    SlotEntry entry = mapping_.entry(request_slot);
    // A reply that came too late is still there, if the last call did not wait for it.
    mapping_.entry(reply_slot).set_free();
    entry.begin_write();
    std::uint8_t* const begin = mapping_.slot(request_slot);
    detail::write_little(begin, static_cast<std::uint32_t>(frames));
    detail::write_little(begin + 4, std::uint32_t{0});
    std::uint8_t* at = begin + head_bytes;
    detail::write_little(at, std::uint64_t{message.header.size()});
    for (const Bytes& attachment : message.attachments) {
        at += length_bytes;
        detail::write_little(at, std::uint64_t{attachment.size()});
    }
    at = append(at + length_bytes, message.header.data(), message.header.size());
    for (const Bytes& attachment : message.attachments) {
        at = append(at, attachment.data(), attachment.size());
    }
    Entry what;
    what.length = bytes;
    what.encoding = Content::message;
    if (checksum_) {
        what.flags = has_checksum;
        what.checksum = shm::checksum(begin, static_cast<std::size_t>(bytes));
    }
    rung_ = true;
    return entry.end_write(what);
}

Result<std::optional<ChildMailbox::Reply>> ChildMailbox::read(std::optional<std::uint64_t> generation) {
    SlotEntry slot = mapping_.entry(reply_slot);
    const Entry entry = slot.read();
    if (entry.state != SlotState::answered || (generation && entry.generation != *generation)) {
        return std::optional<Reply>();
    }
    if (entry.encoding != Content::message || entry.length > mapping_.header().slot_bytes) {
        slot.set_free();
        return broken("its slot has " + std::to_string(entry.length) + " bytes of the encoding " +
                      std::to_string(static_cast<std::uint32_t>(entry.encoding)));
    }
    // A copy, so that masks may be looked at for as long as the caller likes.
    const Bytes data = Bytes::copy_of(mapping_.slot(reply_slot), static_cast<std::size_t>(entry.length));
    slot.set_free();
    if ((entry.flags & has_checksum) != 0 && shm::checksum(data.data(), data.size()) != entry.checksum) {
        return broken("its checksum is another than its slot says");
    }
    Result<Reply> reply = detail::split_message(data);
    if (!reply) {
        return std::move(reply).error();
    }
    return std::optional<Reply>(*std::move(reply));
}

Result<ChildMailbox::Reply> detail::split_message(const Bytes& data) {
    if (data.size() < head_bytes) {
        return broken("it has not even a table of frames");
    }
    const auto frames = read_little<std::uint32_t>(data.data());
    if (frames == 0 || frames - 1 > reply_limits.attachments || frames > (data.size() - head_bytes) / length_bytes) {
        return broken("its table of " + std::to_string(frames) + " frames is impossible");
    }
    std::size_t at = head_bytes + length_bytes * frames;
    ChildMailbox::Reply reply;
    for (std::size_t i = 0; i < frames; ++i) {
        const auto length = read_little<std::uint64_t>(data.data() + head_bytes + length_bytes * i);
        if (length > data.size() - at) {
            return broken("its frames are longer than it is");
        }
        const Bytes frame = data.slice(at, static_cast<std::size_t>(length));
        at += frame.size();
        if (i == 0) {
            reply.header = frame;
        } else {
            reply.attachments.push_back(frame);
        }
    }
    if (at != data.size()) {
        return broken("it is longer than its frames");
    }
    return reply;
}

}  // namespace maskbus::shm
