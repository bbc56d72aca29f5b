#include "maskbus/detail/opened.hpp"

#include <doctest/doctest.h>

#include <string>

#include "values.hpp"

using maskbus::Bytes;
using maskbus::detail::open_message;
using values::List;
using values::Map;

namespace {

std::string refused(std::string_view header, const maskbus::Limits& limits = maskbus::reply_limits) {
    const auto opened = open_message(Bytes::copy_of(header.data(), header.size()), {}, limits);
    return opened ? "" : opened.error().code;
}

template <std::size_t size>
std::string refused(const char (&header)[size]) {
    return refused(std::string_view(header, size - 1));
}

}  // namespace

TEST_CASE("what is no map with text keys is malformed") {
    CHECK(refused("") == "malformed");
    CHECK(refused("\xc0") == "malformed");
    CHECK(refused("\x05") == "malformed");
    CHECK(refused("\xa1x") == "malformed");
    CHECK(refused("\x90") == "malformed");
    CHECK(refused("\xc1") == "malformed");
    CHECK(refused("\x80\x80") == "malformed");
    CHECK(refused("\x81\x01\x02") == "malformed");
    CHECK(refused("\x81\xc4\x01k\x02") == "malformed");
    CHECK(refused("\x81\x80\x02") == "malformed");
    CHECK(refused("\x81\xa1k\x91\x81\x90\x02") == "malformed");
    CHECK(refused("\x81\xa1k\xd4\x01\x00") == "malformed");
    CHECK(refused("\x81\xa1k\xc7\x00\x01") == "malformed");
    CHECK(refused("\x81\xa1k\xa1\xff") == "malformed");
    CHECK(refused("\x81\xa1\xff\x01") == "malformed");
    CHECK(refused("\x80").empty());
    CHECK(refused("\x81\xa1k\x01").empty());
}

TEST_CASE("what is cut short is malformed, wherever") {
    const Bytes whole = values::header(values::segment({values::mask()}));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK(refused(whole.text().substr(0, size)) == "malformed");
    }
    CHECK(refused(whole.text()).empty());
}

TEST_CASE("announced lengths are believed only as far as there are bytes") {
    CHECK(refused("\xdf\xff\xff\xff\xff") == "malformed");
    CHECK(refused("\x81\xa1k\xdd\xff\xff\xff\xff") == "malformed");
    CHECK(refused("\x81\xa1k\xdb\xff\xff\xff\xff") == "malformed");
    CHECK(refused("\x81\xa1k\xc6\xff\xff\xff\xff") == "malformed");
}

TEST_CASE("limits") {
    maskbus::Limits limits;
    limits.header_objects = 4;
    CHECK(refused("\x81\xa1k\x91\x01", limits).empty());
    CHECK(refused("\x81\xa1k\x92\x01\x01", limits) == "too_large");
    limits = {};
    limits.header_depth = 2;
    CHECK(refused("\x81\xa1k\x91\x01", limits).empty());
    CHECK(refused("\x81\xa1k\x91\x90", limits) == "too_large");
    limits = {};
    limits.frame_bytes = 3;
    CHECK(refused("\x81\xa1k\x01", limits) == "too_large");
    limits = {};
    limits.attachments = 1;
    CHECK(open_message(values::header({}), {Bytes()}, limits).ok());
    CHECK(open_message(values::header({}), {Bytes(), Bytes()}, limits).error().code == "too_large");
}

TEST_CASE("containers side by side are not nested") {
    List list;
    for (int i = 0; i < 100; ++i) {
        list.emplace_back(Map{{"k", List{List{}}}});
    }
    CHECK(refused(values::header({{"many", list}}).text()).empty());
}

TEST_CASE("a message that is broken further on still tells whose answer it is") {
    const auto opened = open_message(values::header({{"id", "7"}, {"reply", 5}}), {}, maskbus::reply_limits);
    REQUIRE(opened);
    CHECK(opened->id() == "7");
    CHECK(opened->reply().empty());
    const auto nameless = open_message(values::header({{"id", 7}, {"reply", "ping"}}), {}, maskbus::reply_limits);
    REQUIRE(nameless);
    CHECK(nameless->id().empty());
    CHECK(nameless->reply() == "ping");
}

TEST_CASE("of a key that stands twice the last counts, and nil is left out") {
    const auto opened = open_message(values::header({{"id", "1"}, {"id", "2"}}), {}, maskbus::reply_limits);
    REQUIRE(opened);
    CHECK(opened->id() == "2");
    const auto unsaid = open_message(values::header({{"id", nullptr}}), {}, maskbus::reply_limits);
    REQUIRE(unsaid);
    CHECK(unsaid->id().empty());
    CHECK(maskbus::detail::find_field(unsaid->header(), "id") == nullptr);
}

TEST_CASE("texts are views of the frame, which is kept") {
    auto opened = open_message(values::header({{"id", "seven"}}), {}, maskbus::reply_limits);
    REQUIRE(opened);
    const auto moved = *std::move(opened);
    const char* begin = moved.frame().text().data();
    CHECK(moved.id() == "seven");
    CHECK(moved.id().data() >= begin);
    CHECK(moved.id().data() < begin + moved.frame().size());
}
