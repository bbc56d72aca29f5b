#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace maskbus {

/// How an image is written. The first five are raw pixels, one byte a channel, channels in the order of the name; the
/// last three are whole files.
enum class ImageEncoding { mono8, rgb8, bgr8, rgba8, bgra8, jpeg, png, webp };

/// Return the bytes a pixel of a raw encoding takes; 0 for files.
[[nodiscard]] constexpr std::size_t channels(ImageEncoding encoding) noexcept {
    switch (encoding) {
        case ImageEncoding::mono8:
            return 1;
        case ImageEncoding::rgb8:
        case ImageEncoding::bgr8:
            return 3;
        case ImageEncoding::rgba8:
        case ImageEncoding::bgra8:
            return 4;
        case ImageEncoding::jpeg:
        case ImageEncoding::png:
        case ImageEncoding::webp:
            return 0;
    }
    return 0;
}

/// Tell by its first bytes whether a file is JPEG, PNG or WebP.
[[nodiscard]] inline std::optional<ImageEncoding> file_encoding(const void* data, std::size_t bytes) noexcept {
    const auto* text = static_cast<const char*>(data);
    if (bytes >= 3 && std::memcmp(text, "\xff\xd8\xff", 3) == 0) {
        return ImageEncoding::jpeg;
    }
    if (bytes >= 8 && std::memcmp(text, "\x89PNG\r\n\x1a\n", 8) == 0) {
        return ImageEncoding::png;
    }
    if (bytes >= 12 && std::memcmp(text, "RIFF", 4) == 0 && std::memcmp(text + 8, "WEBP", 4) == 0) {
        return ImageEncoding::webp;
    }
    return std::nullopt;
}

/// An image where it lies: nothing is copied or kept. The caller keeps the memory, unchanged, as long as the view is in
/// use; the functions that take one say how long that is.
struct ImageView {
    const void* data = nullptr;
    /// Bytes from `data` on. Raw: at least step × (height − 1) + width × channels, at most step × height.
    std::size_t bytes = 0;
    /// Pixels. Needed for raw encodings; for files 0 says that it is not known, else the node checks it.
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    /// Raw encodings: bytes from the start of a row to that of the next; 0: rows are packed.
    std::size_t step = 0;
    ImageEncoding encoding = ImageEncoding::mono8;

    /// View raw pixels: rows from top to bottom, pixels from left to right, `step` bytes from row to row (0: packed).
    [[nodiscard]] static constexpr ImageView raw(const void* data, std::uint32_t width, std::uint32_t height,
                                                 ImageEncoding encoding, std::size_t step = 0) noexcept {
        const std::size_t row = width * channels(encoding);
        const std::size_t stride = step == 0 ? row : step;
        return {data, height == 0 ? 0 : stride * (height - 1) + row, width, height, step, encoding};
    }

    /// View a whole JPEG, PNG or WebP file; its first bytes tell which. What is none is refused when it is sent.
    [[nodiscard]] static ImageView file(const void* data, std::size_t bytes) noexcept {
        return {data, bytes, 0, 0, 0, file_encoding(data, bytes).value_or(ImageEncoding::jpeg)};
    }
};

}  // namespace maskbus
