#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include <msgpack/unpack.hpp>

#include "maskbus/bytes.hpp"
#include "maskbus/detail/scan.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/result.hpp"

namespace maskbus::detail {

/// Return the value of a key; null where it is left out or nil. Of a key that stands twice the last counts.
inline const msgpack::object* find_field(const msgpack::object& map, std::string_view name) noexcept {
    for (std::uint32_t i = map.via.map.size; i-- > 0;) {
        const msgpack::object_kv& entry = map.via.map.ptr[i];
        if (std::string_view(entry.key.via.str.ptr, entry.key.via.str.size) == name) {
            return entry.val.is_nil() ? nullptr : &entry.val;
        }
    }
    return nullptr;
}

/// A message whose header is a sound msgpack map, its fields not looked at yet. Texts and bytes of the header are not
/// copied: they are views of its frame, which this keeps in memory.
class Opened {
public:
    /// `id` as it stands in the header; empty where it is missing or no text.
    [[nodiscard]] std::string_view id() const noexcept {
        return text("id");
    }
    /// Name of the reply; empty where it is missing or no text.
    [[nodiscard]] std::string_view reply() const noexcept {
        return text("reply");
    }
    /// The header, a map with text keys.
    [[nodiscard]] const msgpack::object& header() const noexcept {
        return handle_.get();
    }
    [[nodiscard]] const Bytes& frame() const noexcept {
        return frame_;
    }
    [[nodiscard]] const std::vector<Bytes>& attachments() const noexcept {
        return attachments_;
    }

private:
    friend Result<Opened> open_message(Bytes header, std::vector<Bytes> attachments, const Limits& limits);

    Opened(Bytes frame, std::vector<Bytes> attachments, msgpack::object_handle handle)
        : frame_(std::move(frame)), attachments_(std::move(attachments)), handle_(std::move(handle)) {}

    [[nodiscard]] std::string_view text(std::string_view name) const noexcept {
        const msgpack::object* found = find_field(handle_.get(), name);
        if (found == nullptr || found->type != msgpack::type::STR) {
            return {};
        }
        return {found->via.str.ptr, found->via.str.size};
    }

    Bytes frame_;
    std::vector<Bytes> attachments_;
    msgpack::object_handle handle_;
};

/// Read a header. Errors are the wire's: `malformed`, `too_large`.
inline Result<Opened> open_message(Bytes header, std::vector<Bytes> attachments, const Limits& limits) {
    if (attachments.size() > limits.attachments) {
        return Error{codes::too_large,
                     "The message has more than " + std::to_string(limits.attachments) + " attachments."};
    }
    if (auto error = scan_header(header, limits)) {
        return *std::move(error);
    }
    try {
        const auto view = [](msgpack::type::object_type, std::size_t, void*) { return true; };
        bool viewed = false;
        std::size_t position = 0;
        auto handle = msgpack::unpack(header.text().data(), header.size(), position, viewed, view);
        return Opened(std::move(header), std::move(attachments), std::move(handle));
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception&) {
        return Error{codes::malformed, "The header is not valid msgpack."};
    }
}

}  // namespace maskbus::detail
