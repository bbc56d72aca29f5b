#pragma once

#include "maskbus/result.hpp"
#include "maskbus/shm/shared_image.hpp"
#include "maskbus/stream.hpp"
#include "maskbus/stream_options.hpp"

namespace maskbus::shm {

/// Send the next frame of a stream from shared memory: as `Stream::send`, but no pixels are sent.
///
/// Says that the image is whole, where that has not been said. Its slot is in use until the node has told that it has
/// the frame, which is heard in the next `send` or `Stream::check`, and until the node has looked at it. So a stream
/// needs a slot for the frame that is written, two for those that are on their way, and one for each that may be with
/// the node: two, or with `every` as many as `max_waiting`.
///
/// A node that was restarted does not know the memory: from then on the pixels are sent, until `SharedMemory::renew`.
[[nodiscard]] Result<bool> send(Stream& stream, const SharedImage& image, const FrameOptions& options = {});

}  // namespace maskbus::shm
