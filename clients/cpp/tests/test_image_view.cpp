#include "maskbus/image_view.hpp"

#include <doctest/doctest.h>

#include <string>

using maskbus::ImageEncoding;
using maskbus::ImageView;

TEST_CASE("a raw view ends with its last pixel") {
    const unsigned char pixel = 0;
    CHECK(ImageView::raw(&pixel, 5, 3, ImageEncoding::rgb8).bytes == 45);
    CHECK(ImageView::raw(&pixel, 5, 3, ImageEncoding::mono8).bytes == 15);
    CHECK(ImageView::raw(&pixel, 5, 3, ImageEncoding::bgra8, 32).bytes == 84);
    CHECK(ImageView::raw(&pixel, 0, 0, ImageEncoding::bgra8).bytes == 0);
    constexpr ImageView at_compile_time = ImageView::raw(nullptr, 2, 2, ImageEncoding::bgr8);
    static_assert(at_compile_time.bytes == 12);
}

TEST_CASE("files tell what they are") {
    const auto told = [](const std::string& start) { return maskbus::file_encoding(start.data(), start.size()); };
    CHECK(told("\xff\xd8\xff\xe0") == ImageEncoding::jpeg);
    CHECK(told("\x89PNG\r\n\x1a\n.") == ImageEncoding::png);
    CHECK(told("RIFF....WEBPVP8 ") == ImageEncoding::webp);
    CHECK_FALSE(told("RIFF....WAVE"));
    CHECK_FALSE(told("RIFF"));
    CHECK_FALSE(told("\xff\xd8"));
    CHECK_FALSE(told("\x89PNG\r\n"));
    CHECK_FALSE(told(""));
    CHECK_FALSE(maskbus::file_encoding(nullptr, 0));
    const std::string png = "\x89PNG\r\n\x1a\n.";
    CHECK(ImageView::file(png.data(), png.size()).encoding == ImageEncoding::png);
    CHECK(ImageView::file(png.data(), png.size()).bytes == png.size());
}
