#include "maskbus/shm/mapping.hpp"

#include <utility>

namespace maskbus::shm {

namespace detail {

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
      file_(std::exchange(other.file_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    // What this had goes with `other`.
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(file_, other.file_);
    return *this;
}

}  // namespace detail

Result<Mapping> Mapping::open(const std::string& path, std::optional<std::uint64_t> generation) {
    Result<detail::MappedFile> file = detail::MappedFile::open(path);
    if (!file) {
        return std::move(file).error();
    }
    Result<Header> header = Header::parse(file->data(), file->size(), file->size());
    if (!header) {
        return std::move(header).error();
    }
    if (generation && header->generation != *generation) {
        return Error{codes::protocol, "The file of shared memory is another than the one that was granted."};
    }
    return Mapping(*std::move(file), *header);
}

}  // namespace maskbus::shm
