#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "maskbus/wire.hpp"
#include "show.hpp"

/// What the client makes of a reply or a published message.
namespace replies {

using Json = nlohmann::json;

inline Json refusal(const maskbus::Error& error) {
    return {{"error", {{"code", error.code}, {"path", error.path}, {"message", error.message}}}};
}

/// A slot of shared memory: byte i is i modulo 251.
inline maskbus::Bytes slot() {
    std::vector<std::uint8_t> bytes(4096);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i % 251);
    }
    return maskbus::Bytes::own(std::move(bytes));
}

inline Json rows(const maskbus::BinaryMask& mask) {
    Json list = Json::array();
    for (std::uint32_t y = 0; y < mask.height; ++y) {
        std::string row;
        for (std::uint32_t x = 0; x < mask.width; ++x) {
            row += mask.at(x, y) ? '#' : '.';
        }
        list.push_back(std::move(row));
    }
    return list;
}

/// Return the masks in each encoding that is there: rows of pixels, or the error. "any" is the client's own choice.
/// `labels` is the label map that they may be in.
inline Json masks(const std::vector<maskbus::Mask>& all, const maskbus::Tensor* labels) {
    using maskbus::MaskEncoding;
    Json list = Json::array();
    for (const maskbus::Mask& mask : all) {
        Json found = Json::object();
        for (const MaskEncoding encoding : {MaskEncoding::rle, MaskEncoding::bits, MaskEncoding::bits_zlib,
                                            MaskEncoding::polygon, MaskEncoding::raw, MaskEncoding::labels}) {
            const bool there = (encoding == MaskEncoding::rle && mask.rle()) ||
                               (encoding == MaskEncoding::bits && mask.bits()) ||
                               (encoding == MaskEncoding::bits_zlib && mask.bits_zlib()) ||
                               (encoding == MaskEncoding::polygon && mask.polygon()) ||
                               (encoding == MaskEncoding::raw && mask.raw()) ||
                               (encoding == MaskEncoding::labels && labels != nullptr);
            if (there) {
                const auto pixels = mask.decode(encoding);
                found[std::string(name_of(encoding))] = pixels ? rows(*pixels) : refusal(pixels.error());
            }
        }
        const auto pixels = mask.decode();
        found["any"] = pixels ? rows(*pixels) : refusal(pixels.error());
        list.push_back(std::move(found));
    }
    return list;
}

inline Json logits(const maskbus::Segmentation& segmentation) {
    if (segmentation.masks().empty() || !segmentation.masks().front().logits()) {
        return nullptr;
    }
    const maskbus::Tensor& tensor = *segmentation.masks().front().logits();
    Json list = Json::array();
    for (std::uint32_t y = 0; y < tensor.shape[0]; ++y) {
        Json row = Json::array();
        for (std::uint32_t x = 0; x < tensor.shape[1]; ++x) {
            row.push_back(tensor.at(x, y));
        }
        list.push_back(std::move(row));
    }
    return list;
}

template <class Reply>
Json told(const maskbus::wire::Opened& opened) {
    const auto reply = maskbus::detail::read_reply<Reply>(opened);
    return reply ? Json{{"message", show::json(*reply)}} : refusal(reply.error());
}

inline Json of_streams(const maskbus::wire::Opened& opened, std::string_view name) {
    return name == "stream.open"     ? told<maskbus::StreamOpened>(opened)
           : name == "stream.frame"  ? told<maskbus::StreamFrameTaken>(opened)
           : name == "stream.credit" ? told<maskbus::StreamCredit>(opened)
           : name == "stream.update" ? told<maskbus::StreamUpdated>(opened)
           : name == "stream.close"  ? told<maskbus::StreamClosed>(opened)
           : name == "stream.list"   ? told<maskbus::Streams>(opened)
                                     : told<maskbus::PublishedFrame>(opened);
}

/// Answer with the wire's own codes, which `maskbus::wire` turns into `protocol`.
inline Json read(const maskbus::wire::Opened& opened) {
    const auto name = maskbus::detail::reply_name(opened);
    if (!name) {
        return refusal(name.error());
    }
    if (*name == "segment") {
        auto fields = maskbus::detail::read_reply<maskbus::detail::MasksReply>(opened, slot());
        if (!fields) {
            return refusal(fields.error());
        }
        const auto reply = maskbus::wire::segmentation(opened, slot()).value_or_throw();
        return {{"message", show::json(reply)},
                {"masks", masks(reply.masks(), reply.labels() ? &*reply.labels() : nullptr)},
                {"logits", logits(reply)}};
    }
    if (*name == "everything") {
        auto fields = maskbus::detail::read_reply<maskbus::detail::MasksReply>(opened);
        if (!fields) {
            return refusal(fields.error());
        }
        const auto reply = maskbus::wire::found(opened).value_or_throw();
        return {{"message", show::json(reply)}, {"masks", masks(reply.masks(), nullptr)}};
    }
    if (*name == "progress") {
        auto fields = maskbus::detail::read_reply<maskbus::detail::ProgressReply>(opened);
        if (!fields) {
            return refusal(fields.error());
        }
        const auto reply = maskbus::wire::progress(opened).value_or_throw();
        return {{"message", show::json(reply)}, {"masks", masks(reply.masks, nullptr)}};
    }
    Json found = *name == "error"      ? told<maskbus::ErrorReply>(opened)
                 : *name == "embed"    ? told<maskbus::Embedded>(opened)
                 : *name == "release"  ? told<maskbus::Released>(opened)
                 : *name == "lease"    ? told<maskbus::Leased>(opened)
                 : *name == "return"   ? told<maskbus::Returned>(opened)
                 : *name == "describe" ? told<maskbus::Models>(opened)
                 : *name == "ping"     ? told<maskbus::Pong>(opened)
                 : *name == "stats"    ? told<maskbus::Statistics>(opened)
                 : *name == "cancel"   ? told<maskbus::Cancelled>(opened)
                                       : of_streams(opened, *name);
    return found;
}

}  // namespace replies
