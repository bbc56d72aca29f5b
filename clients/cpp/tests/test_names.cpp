#include "maskbus/names.hpp"

#include <doctest/doctest.h>

TEST_CASE("enumerators have the wire's names") {
    static_assert(name_of(maskbus::MaskEncoding::bits_zlib) == "bits+zlib");
    CHECK(name_of(maskbus::MaskEncoding::png_base64) == "png_base64");
    CHECK(name_of(maskbus::ImageEncoding::bgra8) == "bgra8");
    CHECK(name_of(maskbus::Lane::stream) == "stream");
    CHECK(name_of(maskbus::Preset::standard) == "default");
    CHECK(name_of(maskbus::TextSelect::cosine) == "cosine");
    CHECK(name_of(maskbus::TextCombine::whole) == "union");
    CHECK(name_of(maskbus::TextBackground::keep) == "keep");
    // What is no enumerator at all, as C++ allows, has no name.
    CHECK(name_of(static_cast<maskbus::Lane>(99)).empty());
}
