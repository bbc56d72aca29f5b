// OpenCV is an option of the build, and so is this subject.
#if __has_include(<opencv2/core.hpp>)

#include "maskbus/opencv.hpp"

#include <doctest/doctest.h>

#include <opencv2/core.hpp>

#include "maskbus/wire.hpp"
#include "values.hpp"

using maskbus::ImageEncoding;

TEST_CASE("pictures of one, three and four channels are viewed where they lie") {
    const cv::Mat colour(4, 9, CV_8UC3);
    const auto view = maskbus::view(colour);
    CHECK(view.data == colour.data);
    CHECK(view.width == 9);
    CHECK(view.height == 4);
    CHECK(view.bytes == 4 * 27);
    CHECK(view.encoding == ImageEncoding::bgr8);
    CHECK(maskbus::view(cv::Mat(4, 9, CV_8UC1)).encoding == ImageEncoding::mono8);
    CHECK(maskbus::view(cv::Mat(4, 9, CV_8UC4)).encoding == ImageEncoding::bgra8);
}

TEST_CASE("part of a picture keeps the step of the whole, and ends with its last pixel") {
    const cv::Mat whole(10, 20, CV_8UC3);
    const cv::Mat part = whole(cv::Rect(5, 2, 9, 4));
    const auto view = maskbus::view(part);
    CHECK(view.step == 60);
    CHECK(view.bytes == 3 * 60 + 27);
    CHECK(maskbus::wire::segment(view, {}, {}, "7").ok());
    CHECK(maskbus::wire::segment(maskbus::view(whole.row(3)), {}, {}, "7").ok());
    CHECK(maskbus::wire::segment(maskbus::view(whole(cv::Rect(5, 2, 9, 1))), {}, {}, "7").ok());
}

TEST_CASE("what is no picture of 8 bits is refused when it is sent") {
    for (const cv::Mat& wrong : {cv::Mat(), cv::Mat(4, 9, CV_16UC1), cv::Mat(4, 9, CV_8UC2), cv::Mat(4, 9, CV_32FC3)}) {
        CHECK(maskbus::view(wrong).bytes == 0);
        CHECK_FALSE(maskbus::wire::segment(maskbus::view(wrong), {}, {}, "7").ok());
    }
}

TEST_CASE("a mask becomes a picture") {
    const values::Map blob = {{"data", values::Data{0xC0, 0x80, 0x00, 0x80}}};
    const auto opened =
        maskbus::wire::open(values::header(values::segment({values::with(values::mask(), "bits", blob)})), {});
    REQUIRE(opened);
    const auto reply = maskbus::wire::segmentation(*opened);
    REQUIRE(reply);
    const auto picture = maskbus::to_mat(reply->masks().front());
    REQUIRE(picture);
    CHECK(picture->type() == CV_8UC1);
    CHECK(picture->size() == cv::Size(9, 2));
    CHECK(cv::countNonZero(*picture) == 4);
    CHECK(picture->at<std::uint8_t>(1, 8) == 255);
}

#endif
