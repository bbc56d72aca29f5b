#if !defined(_WIN32)

#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maskbus/shm/mapping.hpp"

namespace maskbus::shm::detail {
namespace {

Error refused(const std::string& what) {
    return {codes::no_shared_memory, "The file of shared memory " + what + "."};
}

Error failed(const char* verb) {
    const int problem = errno;
    return refused(std::string("cannot be ") + verb + ": " + std::strerror(problem));
}

/// Take the lock, shared. Whoever looks whether this process lives has it alone, but for a moment.
bool hold(int descriptor) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (flock(descriptor, LOCK_SH | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

/// Say why the file cannot be trusted; empty where it can.
std::string objection(const struct stat& status) {
    if (!S_ISREG(status.st_mode)) {
        return "is no regular file";
    }
    if (status.st_uid != geteuid()) {
        return "belongs to another user";
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return "is open to other users";
    }
    return {};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
    if (path.empty() || path.find('\0') != std::string::npos) {
        return Error{codes::invalid_argument, "The path of the shared memory is none.", "path"};
    }
    MappedFile file;
    // A fifo would wait for its other end without O_NONBLOCK; to a file it means nothing.
    const int descriptor = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return failed("opened");
    }
    file.file_ = descriptor;
    struct stat status {};
    if (fstat(descriptor, &status) != 0) {
        return failed("looked at");
    }
    if (std::string why = objection(status); !why.empty()) {
        return refused(why);
    }
    if (!hold(descriptor)) {
        return failed("locked");
    }
    if (fstat(descriptor, &status) != 0 || status.st_size <= 0) {
        return refused("is empty");
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > std::numeric_limits<std::size_t>::max()) {
        return refused("is larger than this program can map");
    }
    int flags = MAP_SHARED;
#if defined(MAP_POPULATE)
    flags |= MAP_POPULATE;  // else the first frame would pay for each of its pages
#endif
    void* data = mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, flags, descriptor, 0);
    if (data == MAP_FAILED) {
        return failed("mapped");
    }
    file.data_ = static_cast<std::uint8_t*>(data);
    file.size_ = static_cast<std::size_t>(size);
    return file;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) {
        munmap(data_, size_);
    }
    if (file_ >= 0) {
        close(static_cast<int>(file_));  // and with it the lock
    }
}

}  // namespace maskbus::shm::detail

#endif
