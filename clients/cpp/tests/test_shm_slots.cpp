// Which slots are handed out, and what is believed of what is in them.

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "maskbus/shm/checksum.hpp"
#include "maskbus/shm/shared_image.hpp"
#include "maskbus/shm/slot_table.hpp"
#include "shm_file.hpp"

namespace shm = maskbus::shm;
using shm::Content;
using shm::Entry;
using shm::SlotOwner;
using shm::SlotState;
using shm::detail::SlotLoan;
using shm::detail::SlotTable;

namespace {

struct Memory {
    explicit Memory(std::uint32_t slots = 3)
        : file(folder.file("memory"), slots, 4096),
          table(std::make_shared<SlotTable>("lease", shm::Mapping::open(file.path()).value_or_throw())) {}

    /// Hand slot 0 out, and answer in it as a node does.
    maskbus::Slot answer(const std::string& bytes, bool with_checksum = false) {
        REQUIRE(table->take_free() == std::optional<std::size_t>(0));
        Entry entry = file.entry(0);
        std::memcpy(file.slot(0), bytes.data(), bytes.size());
        entry.generation += 2;
        entry.state = SlotState::answered;
        entry.owner = SlotOwner::client;
        entry.length = bytes.size();
        entry.encoding = Content::masks;
        entry.flags = with_checksum ? shm::has_checksum : 0;
        entry.checksum = with_checksum ? shm::checksum(file.slot(0), bytes.size()) : 0;
        file.write(0, entry);
        return {"lease", 0, static_cast<std::int64_t>(entry.generation)};
    }

    fake::Folder folder;
    fake::SharedFile file;
    std::shared_ptr<SlotTable> table;
};

Entry picture() {
    Entry what;
    what.width = 4;
    what.height = 2;
    what.length = 24;
    what.encoding = Content::rgb8;
    return what;
}

}  // namespace

TEST_CASE("the first free slot is handed out, which is warm") {
    Memory memory;
    CHECK(memory.table->size() == 3);
    CHECK(memory.table->slot_bytes() == 4096);
    for (int turn = 0; turn < 3; ++turn) {
        REQUIRE(memory.table->take() == std::optional<std::size_t>(0));
        memory.table->put_back(0);
    }
    // Those that are in use are passed over.
    REQUIRE(memory.table->take() == std::optional<std::size_t>(0));
    REQUIRE(memory.table->take() == std::optional<std::size_t>(1));
    REQUIRE(memory.table->take() == std::optional<std::size_t>(2));
    CHECK(memory.table->take() == std::nullopt);
    memory.table->put_back(2);
    CHECK(memory.table->take() == std::optional<std::size_t>(2));
}

TEST_CASE("what the node has is not handed out") {
    Memory memory;
    memory.file.set(0, SlotState::reading, SlotOwner::node);
    memory.file.set(1, SlotState::answering, SlotOwner::node);
    CHECK(memory.table->take() == std::optional<std::size_t>(2));
    CHECK(memory.table->take() == std::nullopt);
    memory.file.set(0, SlotState::written, SlotOwner::client);
    memory.file.set(1, SlotState::answered, SlotOwner::client);
    CHECK(memory.table->take() == std::optional<std::size_t>(0));
    CHECK(memory.table->take_free() == std::optional<std::size_t>(1));
    CHECK(memory.file.entry(1).state == SlotState::free);
}

TEST_CASE("a slot that the node has is not set free when it is put back") {
    Memory memory(1);
    REQUIRE(memory.table->take());
    memory.file.set(0, SlotState::answering, SlotOwner::node);
    memory.table->put_back(0);
    CHECK(memory.file.entry(0).state == SlotState::answering);
    CHECK(memory.table->take() == std::nullopt);
    memory.file.set(0, SlotState::answered, SlotOwner::client);
    CHECK(memory.table->take() == std::optional<std::size_t>(0));
}

TEST_CASE("a slot that a lost request may name rests") {
    Memory memory(1);
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(memory.table->take());
    memory.table->abandon(0);
    CHECK(memory.table->take() == std::nullopt);
    while (!memory.table->take()) {
        std::this_thread::yield();
        REQUIRE(std::chrono::steady_clock::now() < begin + std::chrono::seconds(10));
    }
    CHECK(std::chrono::steady_clock::now() >= begin + std::chrono::milliseconds(200));
}

TEST_CASE("an image is written as the specification has it") {
    Memory memory(1);
    {
        SlotLoan loan(memory.table, *memory.table->take(), picture(), true);
        Entry entry = memory.file.entry(0);
        CHECK(entry.state == SlotState::writing);
        CHECK(entry.owner == SlotOwner::client);
        CHECK(entry.generation == 1);
        std::memset(loan.data(), 200, 24);
        const maskbus::Slot slot = loan.begin_request(77);
        CHECK(slot.lease == "lease");
        CHECK(slot.index == 0);
        CHECK(slot.generation == 2);
        entry = memory.file.entry(0);
        CHECK(entry.state == SlotState::written);
        CHECK(entry.generation == 2);
        CHECK(entry.length == 24);
        CHECK(entry.width == 4);
        CHECK(entry.height == 2);
        CHECK(entry.step == 0);
        CHECK(entry.encoding == Content::rgb8);
        CHECK(entry.flags == shm::has_checksum);
        CHECK(entry.checksum == shm::checksum(memory.file.slot(0), 24));
        CHECK(entry.stamp == 77);

        // Named again, it is the same; while it is, nobody writes.
        CHECK(loan.begin_request(78).generation == 2);
        CHECK(loan.rewrite().error().code == "slot_in_use");
        loan.end_request(true);
        CHECK(loan.rewrite().error().code == "slot_in_use");
        loan.end_request(true);
        memory.file.set(0, SlotState::reading, SlotOwner::node);
        CHECK(loan.rewrite().error().code == "slot_in_use");
        memory.file.set(0, SlotState::written, SlotOwner::client);
        REQUIRE(loan.rewrite().ok());
        CHECK(memory.file.entry(0).generation == 3);
        CHECK(loan.resize(5).error().code == "invalid_argument");
        loan.finish(0);
        CHECK(memory.file.entry(0).generation == 4);
    }
    CHECK(memory.file.entry(0).state == SlotState::free);
    CHECK(memory.file.entry(0).generation == 4);
}

TEST_CASE("the length of a file is known in the end") {
    Memory memory(1);
    Entry what;
    what.encoding = Content::jpeg;
    what.length = 4096;
    SlotLoan loan(memory.table, *memory.table->take(), what, false);
    CHECK(loan.resize(0).error().code == "invalid_argument");
    CHECK(loan.resize(4097).error().code == "invalid_argument");
    REQUIRE(loan.resize(100).ok());
    loan.finish(0);
    CHECK(memory.file.entry(0).length == 100);
    CHECK(loan.resize(50).error().code == "invalid_argument");
}

TEST_CASE("an image that was given up is free at an even generation") {
    Memory memory(1);
    { const SlotLoan loan(memory.table, *memory.table->take(), picture(), false); }
    CHECK(memory.file.entry(0).state == SlotState::free);
    CHECK(memory.file.entry(0).generation == 2);
}

TEST_CASE("an image whose request was lost rests as it is") {
    Memory memory(1);
    {
        SlotLoan loan(memory.table, *memory.table->take(), picture(), false);
        static_cast<void>(loan.begin_request(0));
        loan.end_request(false);
    }
    CHECK(memory.file.entry(0).state == SlotState::written);
    CHECK(memory.table->take() == std::nullopt);
}

TEST_CASE("an answer is in use until its last view is gone") {
    Memory memory(1);
    bool with_checksum = false;
    SUBCASE("with a checksum") {
        with_checksum = true;
    }
    const maskbus::Slot named = memory.answer("some bytes", with_checksum);
    auto answer = memory.table->answer(0, named);
    REQUIRE(answer.ok());
    CHECK(answer->text() == "some bytes");
    CHECK(answer->data() == memory.table->data(0));
    maskbus::Bytes part = answer->slice(5, 5);
    answer = maskbus::Bytes();
    CHECK(memory.table->take() == std::nullopt);
    CHECK(memory.file.entry(0).state == SlotState::answered);
    CHECK(part.text() == "bytes");
    SUBCASE("also after the table's owner has let go of it") {
        memory.table.reset();
        CHECK(part.text() == "bytes");
    }
    part = maskbus::Bytes();
    CHECK(memory.file.entry(0).state == SlotState::free);
}

TEST_CASE("an answer that is not the one that was announced") {
    Memory memory;
    maskbus::Slot named = memory.answer("bytes", true);
    Entry entry = memory.file.entry(0);
    SUBCASE("another generation") {
        named.generation += 2;
    }
    SUBCASE("an odd generation") {
        ++entry.generation;
        ++named.generation;
    }
    SUBCASE("a negative generation") {
        named.generation = -2;
    }
    SUBCASE("still being written") {
        entry.state = SlotState::answering;
    }
    SUBCASE("free") {
        entry.state = SlotState::free;
    }
    SUBCASE("not the client's") {
        entry.owner = SlotOwner::node;
    }
    SUBCASE("no masks") {
        entry.encoding = Content::message;
    }
    SUBCASE("longer than the slot") {
        entry.length = 4097;
    }
    SUBCASE("endless") {
        entry.length = ~std::uint64_t{0};
    }
    SUBCASE("another checksum") {
        ++entry.checksum;
    }
    SUBCASE("other bytes") {
        memory.file.slot(0)[4] ^= 1U;
    }
    memory.file.write(0, entry);
    const auto answer = memory.table->answer(0, named);
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().code == "protocol");
    CHECK(answer.error().path == "result");
    // It is still handed out: the caller decides when it may be used again.
    for (int other = 0; other < 2; ++other) {
        CHECK(memory.table->take() != std::optional<std::size_t>(0));
    }
    CHECK(memory.table->take() == std::nullopt);
}

TEST_CASE("no slot is handed out twice") {
    Memory memory(4);
    std::vector<std::atomic<int>> holders(4);
    std::atomic<bool> twice{false};
    std::vector<std::thread> threads;
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        threads.emplace_back([&, seed] {
            std::mt19937 random(seed);
            for (int round = 0; round < 2'000; ++round) {
                const auto index = random() % 2 == 0 ? memory.table->take() : memory.table->take_free();
                if (!index) {
                    continue;
                }
                twice = twice || holders[*index].fetch_add(1) != 0;
                if (random() % 2 == 0) {
                    holders[*index].fetch_sub(1);
                    memory.table->put_back(*index);
                    continue;
                }
                SlotLoan loan(memory.table, *index, picture(), false);
                loan.data()[0] = static_cast<std::uint8_t>(seed);
                loan.finish(0);
                twice = twice || loan.data()[0] != seed;
                holders[*index].fetch_sub(1);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK_FALSE(twice);
}
