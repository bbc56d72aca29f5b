#include "maskbus/bytes.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using maskbus::Bytes;

TEST_CASE("no bytes are no memory") {
    const Bytes none;
    CHECK(none.empty());
    CHECK(none.text().empty());
    CHECK(Bytes::copy_of(nullptr, 0).empty());
    CHECK(Bytes::own({}).empty());
}

TEST_CASE("borrowed bytes are where they were, copied ones elsewhere") {
    const std::vector<std::uint8_t> here = {1, 2, 3};
    CHECK(Bytes::borrow(here.data(), here.size()).data() == here.data());
    CHECK((Bytes::borrow(here.data(), here.size()).owner() == nullptr));
    const Bytes copy = Bytes::copy_of(here.data(), here.size());
    CHECK(copy.data() != here.data());
    CHECK(std::vector<std::uint8_t>(copy.begin(), copy.end()) == here);
}

TEST_CASE("a vector is taken over without a copy") {
    std::vector<std::uint8_t> here = {1, 2, 3};
    const std::uint8_t* first = here.data();
    CHECK(Bytes::own(std::move(here)).data() == first);
}

TEST_CASE("a copy and a slice keep the owner, and the last lets go") {
    const char text[] = "frame";
    std::weak_ptr<const int> watched;
    Bytes slice;
    {
        auto owner = std::make_shared<const int>(0);
        watched = owner;
        const Bytes whole = Bytes::with_owner(text, 5, std::move(owner));
        const Bytes copy = whole;
        slice = copy.slice(1, 3);
    }
    CHECK_FALSE(watched.expired());
    CHECK(slice.text() == "ram");
    slice = Bytes();
    CHECK(watched.expired());
}
