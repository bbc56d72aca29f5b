#pragma once

#include <future>

#include "maskbus/client.hpp"
#include "maskbus/options.hpp"
#include "maskbus/prompt.hpp"
#include "maskbus/result.hpp"
#include "maskbus/segmentation.hpp"
#include "maskbus/shm/shared_image.hpp"

namespace maskbus::shm {

/// Ask for masks of an image in shared memory: as `Client::segment`, but no pixels are sent.
///
/// Says that the image is whole, where that has not been said. The bytes of the masks come back in another slot of the
/// same memory, where one is free, and the masks then are views of it: the slot is in use until the last of them, or of
/// the `Bytes` they hand out, is gone.
///
/// A node that was restarted does not know the memory (`unknown_lease`): it is asked for another, the pixels are copied
/// there, and the request is sent again, once, within the same deadline.
[[nodiscard]] Result<Segmentation> segment(Client& client, const SharedImage& image, const Prompt& prompt = {},
                                           const SegmentOptions& options = {});

/// As `segment`, without waiting; see `Client::segment_async`. The slot is held until the answer is there, also where
/// the image is destroyed before. `unknown_lease` is not mended: call `SharedMemory::renew`.
[[nodiscard]] std::future<Result<Segmentation>> segment_async(Client& client, const SharedImage& image,
                                                              Prompt prompt = {}, SegmentOptions options = {});

}  // namespace maskbus::shm
