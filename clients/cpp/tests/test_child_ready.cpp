#include <string>

#include <doctest/doctest.h>

#include "maskbus/shm/child_ready.hpp"

using maskbus::shm::ChildReady;

TEST_CASE("the ready line of the document") {
    const auto line = ChildReady::parse(
        R"({"ready": true, "mapping": "/dev/shm/x/4b", "bytes": 16781312, "generation": 9223372036854775807, )"
        R"("bell": "tcp://127.0.0.1:40213", "pid": 4711})"
        "\r");
    REQUIRE(line);
    CHECK(line->mapping == "/dev/shm/x/4b");
    CHECK(line->bytes == 16781312);
    CHECK(line->generation == 9223372036854775807ULL);
    CHECK(line->bell == "tcp://127.0.0.1:40213");
    CHECK(line->pid == 4711);
}

TEST_CASE("any order, any spaces, and keys of later versions") {
    const auto line = ChildReady::parse(
        "\t{\"later\":-12,\"bell\":\"events:x\",\"more\":\"a\\nb\",\"none\":null,\"no\":false,\"pid\":0,"
        "\"generation\":18446744073709551615,\"bytes\":1,\"mapping\":\"m\",\"ready\":true}");
    REQUIRE(line);
    CHECK(line->bell == "events:x");
    CHECK(line->generation == 18446744073709551615ULL);
}

TEST_CASE("paths as JSON writes them") {
    const auto mapping = [](const std::string& text) {
        const auto line = ChildReady::parse(R"({"ready":true,"bytes":1,"generation":1,"bell":"b","pid":1,"mapping":")" +
                                            text + "\"}");
        return line ? line->mapping : "refused";
    };
    CHECK(mapping(R"(C:\\Users\\x\/y \"z\")") == R"(C:\Users\x/y "z")");
    CHECK(mapping(R"(a\u00e9\u20ac\ud83d\ude00\u0041)") == "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
                                                           "A");
    CHECK(mapping("\xc3\xa9") == "\xc3\xa9");
    CHECK(mapping(R"(\b\f\t\r)") == "\b\f\t\r");
    for (const char* wrong :
         {R"(\ud83d)", R"(\ud83dx)", R"(\ud83d\u0041)", R"(\ude00)", R"(\u12)", R"(\u12g4)", R"(\x)", "\n", "\\", ""}) {
        CHECK(mapping(wrong) == "refused");
    }
}

TEST_CASE("what is no ready line") {
    const std::string good = R"({"ready":true,"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1})";
    REQUIRE(ChildReady::parse(good));
    for (std::size_t length = 0; length < good.size(); ++length) {
        CHECK_FALSE(ChildReady::parse(good.substr(0, length)));
    }
    for (const char* wrong : {
             "",
             "hello",
             "[]",
             "{}",
             R"({"ready":false,"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1})",
             R"({"ready":"true","mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1})",
             R"({"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"bytes":1,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"","bytes":1,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":0,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":01,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":-1,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":1.5,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":18446744073709551616,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":9223372036854775808})",
             R"({"ready":true,"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1} x)",
             R"({"ready":true,"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1,})",
             R"({"ready":true "mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1})",
             R"({"ready":true,"mapping":"m","bytes":1,"generation":1,"bell":"b","pid":1,"x":{}})",
         }) {
        const auto line = ChildReady::parse(wrong);
        REQUIRE_FALSE(line);
        CHECK(line.error().code == maskbus::codes::protocol);
    }
}
