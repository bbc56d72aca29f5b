#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace maskbus {

/// Read-only bytes, and what keeps them in memory: a frame from the network, a vector, a slot of shared memory.
/// A copy is cheap, shares the bytes and keeps them as well.
class Bytes {
public:
    Bytes() = default;

    /// Copy `size` bytes.
    [[nodiscard]] static Bytes copy_of(const void* data, std::size_t size) {
        const auto* first = static_cast<const std::uint8_t*>(data);
        return own(size == 0 ? std::vector<std::uint8_t>() : std::vector<std::uint8_t>(first, first + size));
    }

    /// Refer to memory that the caller keeps, unchanged, as long as this or a copy of it is in use.
    [[nodiscard]] static Bytes borrow(const void* data, std::size_t size) {
        return Bytes(data, size, nullptr);
    }

    /// Take a vector over.
    [[nodiscard]] static Bytes own(std::vector<std::uint8_t> data) {
        auto kept = std::make_shared<const std::vector<std::uint8_t>>(std::move(data));
        const void* first = kept->data();
        const std::size_t size = kept->size();
        return Bytes(first, size, std::move(kept));
    }

    /// Refer to memory that lives as long as `owner` does.
    [[nodiscard]] static Bytes with_owner(const void* data, std::size_t size, std::shared_ptr<const void> owner) {
        return Bytes(data, size, std::move(owner));
    }

    [[nodiscard]] const std::uint8_t* data() const noexcept {
        return data_;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_;
    }
    [[nodiscard]] bool empty() const noexcept {
        return size_ == 0;
    }
    [[nodiscard]] const std::uint8_t* begin() const noexcept {
        return data_;
    }
    [[nodiscard]] const std::uint8_t* end() const noexcept {
        return data_ + size_;
    }
    /// What keeps the bytes in memory; null where they are borrowed.
    [[nodiscard]] const std::shared_ptr<const void>& owner() const noexcept {
        return owner_;
    }
    /// The bytes as text; valid as long as they are.
    [[nodiscard]] std::string_view text() const noexcept {
        return size_ == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data_), size_);
    }

    /// Return `size` bytes from `offset` on, which must lie within; they keep the whole in memory.
    [[nodiscard]] Bytes slice(std::size_t offset, std::size_t size) const {
        return Bytes(data_ + offset, size, owner_);
    }

private:
    Bytes(const void* data, std::size_t size, std::shared_ptr<const void> owner)
        : data_(static_cast<const std::uint8_t*>(data)), size_(size), owner_(std::move(owner)) {}

    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::shared_ptr<const void> owner_;
};

}  // namespace maskbus
