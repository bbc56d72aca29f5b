#if defined(_WIN32)

#include <limits>
#include <string>

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include "maskbus/shm/mapping.hpp"

namespace maskbus::shm::detail {
namespace {

Error refused(const std::string& what) {
    return {codes::no_shared_memory, "The file of shared memory " + what + "."};
}

Error failed(const char* verb) {
    const DWORD problem = GetLastError();
    return refused(std::string("cannot be ") + verb + ": Windows error " + std::to_string(problem));
}

/// Return a UTF-8 path as Windows wants it; empty where it is none.
std::wstring wide(const std::string& path) {
    if (path.empty() || path.size() > 32'000 || path.find('\0') != std::string::npos) {
        return {};
    }
    const int size = static_cast<int>(path.size());
    const int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), size, nullptr, 0);
    std::wstring text(static_cast<std::size_t>(count > 0 ? count : 0), L'\0');
    if (count > 0) {
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), size, text.data(), count);
    }
    return text;
}

HANDLE handle_of(std::intptr_t file) {
    return reinterpret_cast<HANDLE>(file);
}

/// Take the lock, shared, on one byte at offset 2^40: locks of Windows keep others from reading and writing what they
/// cover, so it lies far behind the file's end. Whoever looks whether this process lives has it alone for a moment.
bool hold(HANDLE file) {
    const ULONGLONG until = GetTickCount64() + 2'000;
    while (true) {
        OVERLAPPED where = {};
        where.OffsetHigh = 1U << 8U;
        if (LockFileEx(file, LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where) != 0) {
            return true;
        }
        if (GetLastError() != ERROR_LOCK_VIOLATION || GetTickCount64() > until) {
            return false;
        }
        Sleep(1);
    }
}

/// Touch each page once, so that the first frame does not pay for it.
void populate(const std::uint8_t* data, std::size_t size) {
    for (std::size_t at = 0; at < size; at += alignment) {
        static_cast<void>(*static_cast<const volatile std::uint8_t*>(data + at));
    }
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
    const std::wstring name = wide(path);
    if (name.empty()) {
        return Error{codes::invalid_argument, "The path of the shared memory is none.", "path"};
    }
    MappedFile file;
    HANDLE handle =
        CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
    if (handle == INVALID_HANDLE_VALUE) {
        return failed("opened");
    }
    file.file_ = reinterpret_cast<std::intptr_t>(handle);
    BY_HANDLE_FILE_INFORMATION about = {};
    if (GetFileType(handle) != FILE_TYPE_DISK || GetFileInformationByHandle(handle, &about) == 0 ||
        (about.dwFileAttributes & (FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DIRECTORY)) != 0) {
        return refused("is no regular file");
    }
    if (!hold(handle)) {
        return failed("locked");
    }
    LARGE_INTEGER size = {};
    if (GetFileSizeEx(handle, &size) == 0 || size.QuadPart <= 0) {
        return refused("is empty");
    }
    if (static_cast<std::uint64_t>(size.QuadPart) > std::numeric_limits<std::size_t>::max()) {
        return refused("is larger than this program can map");
    }
    HANDLE mapping = CreateFileMappingW(handle, nullptr, PAGE_READWRITE, 0, 0, nullptr);
    if (mapping == nullptr) {
        return failed("mapped");
    }
    void* data = MapViewOfFile(mapping, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, static_cast<SIZE_T>(size.QuadPart));
    if (data == nullptr) {
        Error error = failed("mapped");
        CloseHandle(mapping);
        return error;
    }
    CloseHandle(mapping);  // the view keeps what it needs
    file.data_ = static_cast<std::uint8_t*>(data);
    file.size_ = static_cast<std::size_t>(size.QuadPart);
    populate(file.data_, file.size_);
    return file;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) {
        UnmapViewOfFile(data_);
    }
    if (file_ != -1) {
        CloseHandle(handle_of(file_));  // and with it the lock
    }
}

}  // namespace maskbus::shm::detail

#endif
