#pragma once

#include <optional>
#include <string>
#include <vector>

namespace maskbus {

/// Models that are tried one after the other until one answers well enough. What is left out is as the node is
/// configured.
struct Route {
    /// Their names, in the order in which they are tried; empty: those of the route that `model` names.
    std::vector<std::string> models = {};
    /// An answer is good enough if it has a mask of at least this `predicted_iou`, 0…1; 0: any mask will do.
    std::optional<double> min_predicted_iou = std::nullopt;
    /// What part of the time that is left a model may take, more than 0, at most 1; the last one may take all of it.
    std::optional<double> share = std::nullopt;
};

/// One route the node offers.
struct RouteInfo {
    /// What `model` in a request calls it.
    std::string name;
    /// The models, in the order in which they are tried; some may not be ready, or not be offered at all.
    std::vector<std::string> models;
    /// As in `Route`.
    double min_predicted_iou = 0;
    /// As in `Route`; left out: what is left is shared out evenly among the models that are still to be tried.
    std::optional<double> share;
};

}  // namespace maskbus
