#pragma once

#include <cstdint>

namespace maskbus {

/// What is done to masks before they are answered, in this order. Areas are in pixels of the image.
struct PostProcessing {
    /// Holes of fewer pixels than this are filled; 0: none.
    std::int64_t fill_holes = 0;
    /// Parts of a mask of fewer pixels than this are removed, but for its largest; 0: none.
    std::int64_t remove_islands = 0;
    /// The outline is smoothed over this many pixels to either side, up to 64; 0: not at all.
    double smooth = 0;
    /// Masks of fewer pixels than this are left out of the answer; 0: none.
    std::int64_t min_area = 0;
    /// Of each mask's polygons at most so many, the largest, up to 65535; 0: all.
    std::int64_t max_contours = 0;
    /// Polygons may lie this many pixels beside the outline, up to 64, and have fewer corners; 0: as without it.
    double max_error = 0;
};

}  // namespace maskbus
