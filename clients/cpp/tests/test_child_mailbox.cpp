#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "maskbus/shm/checksum.hpp"
#include "maskbus/shm/child_mailbox.hpp"
#include "shm_file.hpp"

using maskbus::Bytes;
using maskbus::shm::ChildMailbox;
using maskbus::shm::Content;
using maskbus::shm::Entry;
using maskbus::shm::SlotOwner;
using maskbus::shm::SlotState;

namespace {

/// "header" and the attachments "", "ab": a number and a zero, three lengths, the frames.
const std::string packed("\3\0\0\0\0\0\0\0"
                         "\6\0\0\0\0\0\0\0"
                         "\0\0\0\0\0\0\0\0"
                         "\2\0\0\0\0\0\0\0"
                         "headerab",
                         40);

maskbus::wire::Message message() {
    maskbus::wire::Message made;
    made.header = {'h', 'e', 'a', 'd', 'e', 'r'};
    made.attachments = {Bytes(), Bytes::borrow("ab", 2)};
    return made;
}

struct Fixture {
    fake::Folder folder;
    fake::SharedFile file{folder.file("mapping"), 2, 4096};

    [[nodiscard]] ChildMailbox mailbox(bool checksum = false) const {
        return ChildMailbox::make(maskbus::shm::Mapping::open(file.path()).value_or_throw(), checksum).value_or_throw();
    }

    /// What the child does when it answers.
    void reply(const std::string& data, std::uint64_t generation, Entry entry = {}) const {
        std::memcpy(file.slot(1), data.data(), data.size());
        entry.generation = generation;
        entry.state = SlotState::answered;
        entry.owner = SlotOwner::client;
        entry.length = entry.length == 0 ? data.size() : entry.length;
        entry.encoding = entry.encoding == Content::nothing ? Content::message : entry.encoding;
        file.write(1, entry);
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a request is written as the document says") {
    ChildMailbox mailbox = this->mailbox();
    CHECK(mailbox.is_free());
    const auto generation = mailbox.write(message());
    REQUIRE(generation);
    CHECK(*generation == 2);
    const Entry entry = file.entry(0);
    CHECK(entry.generation == 2);
    CHECK(entry.state == SlotState::written);
    CHECK(entry.owner == SlotOwner::client);
    CHECK(entry.encoding == Content::message);
    CHECK(entry.flags == 0);
    CHECK(std::string(reinterpret_cast<const char*>(file.slot(0)), entry.length) == packed);
    CHECK_FALSE(mailbox.is_free());
    file.set(0, SlotState::reading, SlotOwner::node);
    CHECK_FALSE(mailbox.is_free());
    file.set(0, SlotState::free, SlotOwner::nobody);
    CHECK(mailbox.is_free());
    CHECK(mailbox.write(message()).value_or_throw() == 4);
}

TEST_CASE_FIXTURE(Fixture, "a request that does not fit leaves the slot alone") {
    ChildMailbox mailbox = this->mailbox();
    maskbus::wire::Message large = message();
    large.attachments[1] = Bytes::own(std::vector<std::uint8_t>(4096 - 38 + 1));
    const auto refused = mailbox.write(large);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "too_large");
    CHECK(refused.error().path == "image");
    CHECK(file.entry(0).generation == 0);
    CHECK(mailbox.is_free());
    large.attachments[1] = Bytes::own(std::vector<std::uint8_t>(4096 - 38));
    CHECK(mailbox.write(large));
    CHECK(file.entry(0).length == 4096);
}

TEST_CASE_FIXTURE(Fixture, "a reply is a copy, and its slot is free then") {
    ChildMailbox mailbox = this->mailbox();
    reply(packed, 6);
    auto found = mailbox.read(6);
    REQUIRE(found);
    REQUIRE(found->has_value());
    CHECK(file.entry(1).state == SlotState::free);
    std::memset(file.slot(1), 0, 100);
    CHECK((*found)->header.text() == "header");
    REQUIRE((*found)->attachments.size() == 2);
    CHECK((*found)->attachments[0].empty());
    CHECK((*found)->attachments[1].text() == "ab");
}

TEST_CASE_FIXTURE(Fixture, "a ring for a reply that is gone finds nothing") {
    ChildMailbox mailbox = this->mailbox();
    CHECK_FALSE(mailbox.read(0).value_or_throw().has_value());
    reply(packed, 6);
    CHECK_FALSE(mailbox.read(4).value_or_throw().has_value());
    CHECK(file.entry(1).state == SlotState::answered);
    CHECK(mailbox.read(std::nullopt).value_or_throw().has_value());
    CHECK_FALSE(mailbox.read(std::nullopt).value_or_throw().has_value());
}

TEST_CASE_FIXTURE(Fixture, "the next request throws a late reply away") {
    ChildMailbox mailbox = this->mailbox();
    reply(packed, 2);
    REQUIRE(mailbox.write(message()));
    CHECK(file.entry(1).state == SlotState::free);
    CHECK_FALSE(mailbox.read(2).value_or_throw().has_value());
}

TEST_CASE_FIXTURE(Fixture, "checksums") {
    ChildMailbox mailbox = this->mailbox(true);
    REQUIRE(mailbox.write(message()));
    const auto expected = maskbus::shm::checksum(reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size());
    CHECK(file.entry(0).flags == maskbus::shm::has_checksum);
    CHECK(file.entry(0).checksum == expected);
    Entry entry;
    entry.flags = maskbus::shm::has_checksum;
    entry.checksum = expected;
    reply(packed, 2, entry);
    CHECK(mailbox.read(2).value_or_throw().has_value());
    entry.checksum ^= 1U;
    reply(packed, 4, entry);
    const auto wrong = mailbox.read(4);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == "protocol");
    CHECK(file.entry(1).state == SlotState::free);
}

TEST_CASE_FIXTURE(Fixture, "replies that are none") {
    ChildMailbox mailbox = this->mailbox();
    Entry entry;
    entry.encoding = Content::masks;
    reply(packed, 2, entry);
    CHECK_FALSE(mailbox.read(2));
    entry = {};
    entry.length = 4097;
    reply(packed, 4, entry);
    CHECK_FALSE(mailbox.read(4));
    for (const std::string& wrong :
         {std::string(7, '\0'), std::string(8, '\0'), packed.substr(0, 39), packed + "x", "\xff\xff\xff\xff" + packed,
          std::string("\1\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16),
          std::string("\2\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0\0\0", 24)}) {
        const auto split = maskbus::shm::detail::split_message(Bytes::borrow(wrong.data(), wrong.size()));
        REQUIRE_FALSE(split);
        CHECK(split.error().code == "protocol");
    }
}

TEST_CASE("a mapping with other than two slots is no child's") {
    const fake::Folder folder;
    const fake::SharedFile file(folder.file("mapping"), 3, 4096);
    const auto refused = ChildMailbox::make(maskbus::shm::Mapping::open(file.path()).value_or_throw(), false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "protocol");
}
