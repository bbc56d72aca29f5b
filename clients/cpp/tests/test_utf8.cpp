#include "maskbus/detail/utf8.hpp"

#include <doctest/doctest.h>

#include <string>

using maskbus::detail::count_characters;
using maskbus::detail::is_blank;
using maskbus::detail::is_utf8;

TEST_CASE("characters are counted, not bytes") {
    CHECK(count_characters("") == 0);
    CHECK(count_characters("0123456789abcdef0") == 17);
    CHECK(count_characters("0123456\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == 10);
}

TEST_CASE("what is not UTF-8 is told") {
    for (const char* wrong : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
                              "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                              "\xe2\x82", "\xe2\x28\xa1", "01234567\xff", "0123456\x80"}) {
        CHECK_FALSE(is_utf8(wrong));
    }
    for (const char* right : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                              "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        CHECK(is_utf8(right));
    }
}

TEST_CASE("white space is blank, of whatever kind") {
    CHECK(is_blank(""));
    CHECK(is_blank(" \t\r\n"));
    CHECK(is_blank("\xc2\xa0\xe3\x80\x80\xe2\x80\x83"));
    CHECK_FALSE(is_blank(" cat "));
    CHECK_FALSE(is_blank("\xe2\x80\x8b"));  // zero width space is no white space to Unicode
}
