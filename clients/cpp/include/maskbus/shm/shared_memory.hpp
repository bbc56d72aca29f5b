#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "maskbus/client.hpp"
#include "maskbus/image_view.hpp"
#include "maskbus/options.hpp"
#include "maskbus/result.hpp"
#include "maskbus/shm/codes.hpp"
#include "maskbus/shm/shared_image.hpp"

namespace maskbus::shm {

/// How much shared memory is wanted, and how it is used. An aggregate: C++20 may name the fields.
struct SharedMemoryOptions {
    /// 1 to 64. A stream needs one for the frame that is written, one for each that is under way, and one for each
    /// answer that comes, or stays, in shared memory.
    int slots = 4;
    /// Bytes of one slot: an image, or the masks of one answer. Rounded up to a multiple of 4096.
    std::size_t slot_bytes = 0;
    /// Whether each image, and with it each answer, is guarded by a CRC-32. It costs about a millisecond for a 1080p
    /// frame on either side, and finds what nothing but a broken program could do.
    bool checksum = false;
    /// Whether masks come back in a slot, where one is free; else they are attachments.
    bool masks = true;
    /// How long the node is waited for; 0: as long as the client does.
    std::chrono::milliseconds deadline{0};
};

/// Shared memory that the node has leased to this client: images are handed over without being sent, and masks come
/// back the same way. Only to a node on this machine. Move-only; any number of threads may share one.
///
/// It is a ring: `image` hands out the next slot that nobody uses. What is in shared memory lives on as long as the
/// images and masks that are in it are held, whatever becomes of this, of the client and of the node; once this and all
/// its images are gone, the lease is given back.
///
/// A node that was restarted knows nothing of the lease: `segment` then has another one, and copies the image there.
class SharedMemory {
public:
    SharedMemory(SharedMemory&&) noexcept = default;
    SharedMemory& operator=(SharedMemory&&) noexcept = default;
    ~SharedMemory() = default;

    /// Ask the node for shared memory.
    ///
    /// Errors: `no_shared_memory` where the node gives none: use attachments then, which every other call does; `busy`
    /// and `too_large`; `invalid_value` for impossible options; `protocol`; and as every call of a client.
    [[nodiscard]] static Result<SharedMemory> lease(Client& client, const SharedMemoryOptions& options);

    /// Hand out a slot for raw pixels of this size; `step` bytes from row to row, 0: rows are packed. What is in it is
    /// what was there before.
    ///
    /// Errors: `no_free_slot`; `too_large` where the image does not fit; `invalid_value` for an impossible size, or an
    /// encoding that is none of raw pixels.
    [[nodiscard]] Result<SharedImage> image(std::uint32_t width, std::uint32_t height, ImageEncoding encoding,
                                            std::size_t step = 0);

    /// Hand out a slot for a JPEG, PNG or WebP file of at most `bytes` bytes; `SharedImage::resize` says how many there
    /// are in the end. Errors as `image`.
    [[nodiscard]] Result<SharedImage> file(ImageEncoding encoding, std::size_t bytes);

    /// Copy an image, raw or a file, into a slot. Errors as `image`.
    [[nodiscard]] Result<SharedImage> copy_of(const ImageView& view);

    /// Ask for another lease if a call was answered `unknown_lease` for the one that is in use; else do nothing. To be
    /// called after `segment_async`: calls that block do so by themselves. Images of the old lease stay what they are,
    /// and `segment` copies them; `segment_async` does not.
    [[nodiscard]] Result<void> renew(Client& client, CallOptions options = {});

    /// How many slots there are, and how many bytes one has; 0 once moved elsewhere.
    [[nodiscard]] std::size_t slots() const;
    [[nodiscard]] std::size_t slot_bytes() const;

private:
    explicit SharedMemory(std::shared_ptr<detail::Memory> memory) : memory_(std::move(memory)) {}

    std::shared_ptr<detail::Memory> memory_;
};

}  // namespace maskbus::shm
