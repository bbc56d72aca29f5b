#pragma once

#include <string_view>

#include "maskbus/image_view.hpp"
#include "maskbus/options.hpp"
#include "maskbus/stream_options.hpp"

namespace maskbus {

/// Return the wire's name of a mask encoding, such as `bits+zlib`.
[[nodiscard]] constexpr std::string_view name_of(MaskEncoding encoding) noexcept {
    switch (encoding) {
        case MaskEncoding::rle:
            return "rle";
        case MaskEncoding::bits:
            return "bits";
        case MaskEncoding::bits_zlib:
            return "bits+zlib";
        case MaskEncoding::png:
            return "png";
        case MaskEncoding::png_base64:
            return "png_base64";
        case MaskEncoding::polygon:
            return "polygon";
        case MaskEncoding::raw:
            return "raw";
        case MaskEncoding::labels:
            return "labels";
        case MaskEncoding::logits:
            return "logits";
        case MaskEncoding::overlay:
            return "overlay";
    }
    return {};
}

/// Return the wire's name of an image encoding.
[[nodiscard]] constexpr std::string_view name_of(ImageEncoding encoding) noexcept {
    switch (encoding) {
        case ImageEncoding::mono8:
            return "mono8";
        case ImageEncoding::rgb8:
            return "rgb8";
        case ImageEncoding::bgr8:
            return "bgr8";
        case ImageEncoding::rgba8:
            return "rgba8";
        case ImageEncoding::bgra8:
            return "bgra8";
        case ImageEncoding::jpeg:
            return "jpeg";
        case ImageEncoding::png:
            return "png";
        case ImageEncoding::webp:
            return "webp";
    }
    return {};
}

/// Return the wire's name of a preset.
[[nodiscard]] constexpr std::string_view name_of(Preset preset) noexcept {
    switch (preset) {
        case Preset::standard:
            return "default";
        case Preset::dense:
            return "dense";
        case Preset::fast:
            return "fast";
    }
    return {};
}

/// Return the wire's name of a policy.
[[nodiscard]] constexpr std::string_view name_of(StreamPolicy policy) noexcept {
    switch (policy) {
        case StreamPolicy::newest:
            return "newest";
        case StreamPolicy::every:
            return "every";
        case StreamPolicy::sample:
            return "sample";
    }
    return {};
}

/// Return the wire's name of what an age counts from.
[[nodiscard]] constexpr std::string_view name_of(AgeFrom from) noexcept {
    switch (from) {
        case AgeFrom::receipt:
            return "receipt";
        case AgeFrom::stamp:
            return "stamp";
    }
    return {};
}

/// Return the wire's name of a way of choosing.
[[nodiscard]] constexpr std::string_view name_of(TextSelect select) noexcept {
    switch (select) {
        case TextSelect::softmax:
            return "softmax";
        case TextSelect::cosine:
            return "cosine";
        case TextSelect::top:
            return "top";
    }
    return {};
}

/// Return the wire's name of what becomes of masks.
[[nodiscard]] constexpr std::string_view name_of(TextCombine combine) noexcept {
    switch (combine) {
        case TextCombine::each:
            return "each";
        case TextCombine::whole:
            return "union";
    }
    return {};
}

/// Return the wire's name of a background.
[[nodiscard]] constexpr std::string_view name_of(TextBackground background) noexcept {
    switch (background) {
        case TextBackground::black:
            return "black";
        case TextBackground::mean:
            return "mean";
        case TextBackground::blur:
            return "blur";
        case TextBackground::keep:
            return "keep";
    }
    return {};
}

/// Return the wire's name of a lane.
[[nodiscard]] constexpr std::string_view name_of(Lane lane) noexcept {
    switch (lane) {
        case Lane::interactive:
            return "interactive";
        case Lane::stream:
            return "stream";
        case Lane::batch:
            return "batch";
    }
    return {};
}

}  // namespace maskbus
