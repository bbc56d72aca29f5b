#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "maskbus/detail/decode_replies.hpp"
#include "maskbus/detail/read_masks.hpp"
#include "maskbus/everything.hpp"

namespace maskbus::detail {

/// The wire's `Progress`. Its masks know the image's size.
struct ProgressReply {
    std::string id;
    std::int64_t done = 0;
    std::int64_t total = 0;
    std::int64_t found = 0;
    MasksReply masks;
};

/// Note the size of the image that the first mask is of: nothing else in the message says it.
inline void read_size(Reading& in, const Object& mask, const Where& where, MasksReply& out) {
    const Object* rle = mask.type == type::MAP ? find_field(mask, "rle") : nullptr;
    if (rle == nullptr || rle->type != type::MAP) {
        return;  // which is wrong, or not, where the mask is read
    }
    std::array<std::uint32_t, 2> size{};
    Fields(in, *rle, where).required("size", size);
    out.height = size[0];
    out.width = size[1];
}

inline void read(Reading& in, const Object& map, const Where& where, ProgressReply& out) {
    const Fields fields(in, map, where);
    fields.optional("id", out.id);
    fields.required("done", out.done);
    fields.required("total", out.total);
    fields.required("found", out.found);
    const Where here = where.field("masks");
    const Object* masks = fields.find("masks");
    if (masks == nullptr) {
        return;
    }
    if (masks->type == type::ARRAY && masks->via.array.size > 0) {
        const Where first = here.entry(0);
        read_size(in, masks->via.array.ptr[0], first.field("rle"), out.masks);
    }
    read_mask_list(in, *masks, here, out.masks);
}

}  // namespace maskbus::detail

namespace maskbus::wire {

inline Result<Progress> progress(const Opened& opened) {
    auto reply = detail::expect<detail::ProgressReply>(opened, "progress");
    if (!reply) {
        return std::move(reply).error();
    }
    Progress told{std::move(reply->id), reply->done, reply->total, reply->found, {}};
    told.masks = Segmentation(std::move(reply->masks)).masks();
    return told;
}

}  // namespace maskbus::wire
