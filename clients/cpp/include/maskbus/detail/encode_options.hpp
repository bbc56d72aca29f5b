#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "maskbus/detail/packer.hpp"
#include "maskbus/names.hpp"
#include "maskbus/post_processing.hpp"
#include "maskbus/route.hpp"
#include "maskbus/text_options.hpp"

// Each writes a struct as a map, into a packer that has just been given its key; defaults are left out.
namespace maskbus::detail {

template <class T>
void write_optional(MapWriter& map, std::string_view name, const std::optional<T>& value) {
    if (value) {
        map.field(name, *value);
    }
}

template <class T>
void write_named(MapWriter& map, std::string_view name, const std::optional<T>& value) {
    if (value) {
        map.field(name, name_of(*value));
    }
}

template <class T>
void write_unless_zero(MapWriter& map, std::string_view name, T value) {
    if (value != T{}) {
        map.field(name, value);
    }
}

inline void write_route(Packer& packer, const Route& route) {
    MapWriter map(packer);
    if (!route.models.empty()) {
        map.key("models").begin_array(route.models.size());
        for (const std::string& name : route.models) {
            packer.write(std::string_view(name));
        }
    }
    write_optional(map, "min_predicted_iou", route.min_predicted_iou);
    write_optional(map, "share", route.share);
    map.end();
}

inline void write_post(Packer& packer, const PostProcessing& post) {
    MapWriter map(packer);
    write_unless_zero(map, "fill_holes", post.fill_holes);
    write_unless_zero(map, "remove_islands", post.remove_islands);
    write_unless_zero(map, "smooth", post.smooth);
    write_unless_zero(map, "min_area", post.min_area);
    write_unless_zero(map, "max_contours", post.max_contours);
    write_unless_zero(map, "max_error", post.max_error);
    map.end();
}

inline void write_text_options(Packer& packer, const TextOptions& options) {
    MapWriter map(packer);
    write_named(map, "select", options.select);
    write_optional(map, "threshold", options.threshold);
    write_optional(map, "top", options.top);
    write_named(map, "combine", options.combine);
    write_named(map, "background", options.background);
    write_optional(map, "margin", options.margin);
    map.end();
}

}  // namespace maskbus::detail
