#pragma once

#include <opencv2/core.hpp>

#include "maskbus/shm/shared_image.hpp"

/// OPT-IN: needs OpenCV's core.
namespace maskbus::shm {

/// View raw pixels in shared memory as a matrix of 8 bits a channel, to write to or read from. Nothing is copied, and
/// the matrix keeps nothing: it must not be used once the image is gone, nor written to while the node reads. Functions
/// of OpenCV write in place as long as size and type fit, else they give the matrix other memory. Empty for files.
[[nodiscard]] inline cv::Mat mat_of(const SharedImage& image) {
    const auto count = static_cast<int>(channels(image.encoding()));
    if (count == 0) {
        return {};
    }
    return {static_cast<int>(image.height()), static_cast<int>(image.width()), CV_MAKETYPE(CV_8U, count), image.data(),
            image.step()};
}

}  // namespace maskbus::shm
