// Files of shared memory: which are mapped, which are refused, and for how long they are locked.

#include <cstring>
#include <filesystem>
#include <future>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "maskbus/shm/mapping.hpp"
#include "shm_file.hpp"

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace shm = maskbus::shm;
using shm::Mapping;

namespace {

shm::Header sound_header() {
    shm::Header header;
    header.generation = 41;
    header.slots = 2;
    header.slot_bytes = 4096;
    return header;
}

std::string sound_file(const fake::Folder& folder, const std::string& name = "memory") {
    const shm::Header header = sound_header();
    fake::write_file(folder.file(name), fake::header_bytes_of(header), header.file_bytes());
    return folder.file(name);
}

std::string code_of(const maskbus::Result<Mapping>& mapping) {
    return mapping ? std::string() : mapping.error().code;
}

}  // namespace

TEST_CASE("two mappings of a file are one memory") {
    const fake::Folder folder;
    const std::string path = sound_file(folder, "Größe 图像");
    auto one = Mapping::open(path, 41);
    REQUIRE(one.ok());
    CHECK(one->header().slots == 2);
    CHECK(one->header().slot_bytes == 4096);
    auto other = Mapping::open(path);
    REQUIRE(other.ok());
    std::memset(one->slot(1), 7, 4096);
    CHECK(other->slot(1)[4095] == 7);
    CHECK(other->slot(0)[4095] == 0);

    one->entry(1).begin_write();
    CHECK(other->entry(1).state() == shm::SlotState::writing);
    CHECK(other->entry(1).owner() == shm::SlotOwner::client);
    CHECK(other->entry(1).generation() == 1);
    shm::Entry what;
    what.length = 12;
    what.encoding = shm::Content::png;
    what.stamp = -5;
    CHECK(one->entry(1).end_write(what) == 2);
    const shm::Entry found = other->entry(1).read();
    CHECK(found.generation == 2);
    CHECK(found.state == shm::SlotState::written);
    CHECK(found.length == 12);
    CHECK(found.encoding == shm::Content::png);
    CHECK(found.stamp == -5);
    CHECK(other->entry(0).read().generation == 0);
}

TEST_CASE("an entry that was left half written") {
    const fake::Folder folder;
    auto mapping = Mapping::open(sound_file(folder));
    REQUIRE(mapping.ok());
    mapping->entry(0).begin_write();
    mapping->entry(0).begin_write();
    CHECK(mapping->entry(0).generation() == 3);
    mapping->entry(0).set_free();
    CHECK(mapping->entry(0).generation() == 4);
    CHECK(mapping->entry(0).state() == shm::SlotState::free);
    mapping->entry(0).set_free();
    CHECK(mapping->entry(0).generation() == 4);
}

TEST_CASE("a mapping outlives being moved, and its file's name") {
    const fake::Folder folder;
    const std::string path = sound_file(folder);
    auto opened = Mapping::open(path);
    REQUIRE(opened.ok());
    Mapping mapping = *std::move(opened);
    auto second = Mapping::open(sound_file(folder, "second"));
    REQUIRE(second.ok());
    second->slot(0)[0] = 9;
    mapping = *std::move(second);
    CHECK(mapping.slot(0)[0] == 9);
#if !defined(_WIN32)
    std::filesystem::remove(folder.file("second"));
    mapping.slot(1)[7] = 3;
    CHECK(mapping.slot(1)[7] == 3);
#endif
}

TEST_CASE("what is no file of shared memory is refused") {
    const fake::Folder folder;
    const std::string path = sound_file(folder);
    CHECK(code_of(Mapping::open(path, 42)) == "protocol");
    CHECK(code_of(Mapping::open(folder.file("missing"))) == "no_shared_memory");
    CHECK(code_of(Mapping::open("")) == "invalid_argument");
    CHECK(code_of(Mapping::open(path + std::string(1, '\0'))) == "invalid_argument");
    CHECK(code_of(Mapping::open(folder.file("."))) == "no_shared_memory");

    fake::write_file(folder.file("empty"), {}, 0);
    CHECK(code_of(Mapping::open(folder.file("empty"))) == "no_shared_memory");
    fake::write_file(folder.file("zeros"), {}, 8192);
    CHECK(code_of(Mapping::open(folder.file("zeros"))) == "protocol");
    const shm::Header header = sound_header();
    fake::write_file(folder.file("cut"), fake::header_bytes_of(header), header.file_bytes() - 1);
    CHECK(code_of(Mapping::open(folder.file("cut"))) == "protocol");
    fake::write_file(folder.file("tiny"), {'M', 'A', 'S', 'K'}, 4);
    CHECK(code_of(Mapping::open(folder.file("tiny"))) == "protocol");
}

namespace {

/// A file as another process has it open.
class OtherHolder {
public:
#if defined(_WIN32)
    explicit OtherHolder(const std::string& path)
        : file_(CreateFileA(path.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                            OPEN_EXISTING, 0, nullptr)) {}
    ~OtherHolder() {
        CloseHandle(file_);
    }
    bool lock() const {
        OVERLAPPED where = byte();
        return LockFileEx(file_, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where) != 0;
    }
    void unlock() const {
        OVERLAPPED where = byte();
        UnlockFileEx(file_, 0, 1, 0, &where);
    }
#else
    explicit OtherHolder(const std::string& path) : file_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
    ~OtherHolder() {
        close(file_);
    }
    bool lock() const {
        return flock(file_, LOCK_EX | LOCK_NB) == 0;
    }
    void unlock() const {
        flock(file_, LOCK_UN);
    }
#endif
    OtherHolder(const OtherHolder&) = delete;
    OtherHolder& operator=(const OtherHolder&) = delete;

private:
#if defined(_WIN32)
    static OVERLAPPED byte() {
        OVERLAPPED where = {};
        where.OffsetHigh = 256;  // 2^40
        return where;
    }
    HANDLE file_;
#else
    int file_;
#endif
};

}  // namespace

TEST_CASE("the lock is held for as long as the file is mapped") {
    const fake::Folder folder;
    const std::string path = sound_file(folder);
    const OtherHolder node(path);
    {
        auto mapping = Mapping::open(path);
        REQUIRE(mapping.ok());
        CHECK_FALSE(node.lock());
        const Mapping moved = *std::move(mapping);
        CHECK_FALSE(node.lock());
    }
    CHECK(node.lock());
    node.unlock();
    // One that is refused holds nothing.
    CHECK(code_of(Mapping::open(path, 42)) == "protocol");
    CHECK(node.lock());
}

TEST_CASE("a look at the lock does not keep a client out") {
    const fake::Folder folder;
    const std::string path = sound_file(folder);
    const OtherHolder node(path);
    REQUIRE(node.lock());
    auto mapping = std::async(std::launch::async, [&] { return Mapping::open(path); });
    node.unlock();
    CHECK(mapping.get().ok());
}

TEST_CASE("whoever has the lock for good is not waited for") {
    const fake::Folder folder;
    const std::string path = sound_file(folder);
    const OtherHolder other(path);
    REQUIRE(other.lock());
    CHECK(code_of(Mapping::open(path)) == "no_shared_memory");
}

#if !defined(_WIN32)

TEST_CASE("a file that others can get at is refused") {
    const fake::Folder folder;
    const std::string path = sound_file(folder);
    for (const mode_t mode : {0660U, 0606U, 0640U, 0604U, 0610U}) {
        CAPTURE(mode);
        chmod(path.c_str(), mode);
        CHECK(code_of(Mapping::open(path)) == "no_shared_memory");
    }
    chmod(path.c_str(), 0600);
    CHECK(Mapping::open(path).ok());

    std::filesystem::create_symlink(path, folder.file("link"));
    CHECK(code_of(Mapping::open(folder.file("link"))) == "no_shared_memory");
    REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    const auto fifo = Mapping::open(folder.file("fifo"));
    REQUIRE_FALSE(fifo.ok());
    CHECK(fifo.error().code == "no_shared_memory");
    CHECK(fifo.error().message == "The file of shared memory is no regular file.");
    CHECK(code_of(Mapping::open("/dev/null")) == "no_shared_memory");
}

#endif
