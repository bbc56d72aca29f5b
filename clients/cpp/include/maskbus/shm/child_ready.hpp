#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "maskbus/result.hpp"

namespace maskbus::shm {

/// What a child says once it is ready (SPEC.md, section 18).
struct ChildReady {
    /// Path of the mapping, UTF-8.
    std::string mapping = {};
    std::uint64_t bytes = 0;
    std::uint64_t generation = 0;
    /// An endpoint of ZeroMQ, or "events:" and the name of a pair of named events.
    std::string bell = {};
    std::int64_t pid = 0;

    /// Read the line of JSON: one object, its values texts, whole numbers, true, false or null. Keys that are not known
    /// are ignored. Error: `protocol`.
    [[nodiscard]] static Result<ChildReady> parse(std::string_view line);
};

}  // namespace maskbus::shm
