#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <opencv2/core/mat.hpp>

#include "maskbus/image_view.hpp"
#include "maskbus/mask.hpp"
#include "maskbus/result.hpp"

// Opt-in: nothing else here includes this. Needs OpenCV's core module and no other.
namespace maskbus {

/// View a picture as OpenCV has it, 8 bits a channel: CV_8UC1 is mono8, CV_8UC3 bgr8, CV_8UC4 bgra8. Rows may be
/// padded, or be part of a larger picture. Nothing is copied: the picture must stay as it is as long as the view is in
/// use.
///
/// Any other picture, and an empty one, gives an empty view, which is refused when it is sent.
[[nodiscard]] inline ImageView view(const cv::Mat& picture) {
    if (picture.dims != 2 || picture.depth() != CV_8U || picture.channels() == 2 || picture.channels() > 4 ||
        picture.empty()) {
        return {};
    }
    const ImageEncoding encoding = picture.channels() == 1   ? ImageEncoding::mono8
                                   : picture.channels() == 3 ? ImageEncoding::bgr8
                                                             : ImageEncoding::bgra8;
    const auto width = static_cast<std::uint32_t>(picture.cols);
    // The step of a single row means nothing: it may be anything.
    const std::size_t step = picture.rows > 1 ? picture.step[0] : 0;
    return ImageView::raw(picture.data, width, static_cast<std::uint32_t>(picture.rows), encoding, step);
}

/// Make a picture of a mask: CV_8UC1 of the image's size, 0 and 255. Errors as `Mask::decode`.
[[nodiscard]] inline Result<cv::Mat> to_mat(const Mask& mask) {
    const auto pixels = mask.decode();
    if (!pixels) {
        return pixels.error();
    }
    cv::Mat picture(static_cast<int>(pixels->height), static_cast<int>(pixels->width), CV_8UC1);
    std::memcpy(picture.data, pixels->pixels.data(), pixels->pixels.size());
    return picture;
}

}  // namespace maskbus
