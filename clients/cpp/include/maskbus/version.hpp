#pragma once

#include <string_view>

namespace maskbus {

/// Version of the wire that requests are written in. Replies of any minor of the same major are read.
inline constexpr std::string_view wire_version = "1.4";
inline constexpr int wire_major = 1;

}  // namespace maskbus
