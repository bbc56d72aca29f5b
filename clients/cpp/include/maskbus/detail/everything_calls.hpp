#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "maskbus/client.hpp"
#include "maskbus/detail/client_calls.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/detail/kept.hpp"
#include "maskbus/everything.hpp"
#include "maskbus/wire.hpp"

namespace maskbus {

namespace detail {

/// Ask for everything, and tell the caller how far it is. What the caller's function throws is thrown on.
inline Result<Segmentation> ask_everything(Core& core, const wire::Image& image, const EverythingOptions& options,
                                           Milliseconds deadline) {
    const std::string id = options.id.empty() ? core.peer().ids.next() : options.id;
    const auto encode = [&](const std::string& request_id, std::int64_t left) {
        return wire::everything(image, options, request_id, left);
    };
    const auto give_up = [&] {
        core.tell([&](const std::string& own_id, std::int64_t) { return wire::cancel(id, own_id); });
    };
    bool broken = false;
    Listener listener;
    if (options.progress) {
        listener = [&](const wire::Opened& opened) -> std::optional<Error> {
            const Result<Progress> told = wire::progress(opened);
            if (!told) {
                broken = true;
                return told.error();
            }
            options.progress(*told);
            return std::nullopt;
        };
    }
    try {
        const Arrival arrival = core.ask(encode, deadline, true, id, std::move(listener));
        if (broken) {
            give_up();
        }
        return arrival ? wire::found(*arrival) : Result<Segmentation>(arrival.error());
    } catch (...) {
        give_up();
        throw;
    }
}

}  // namespace detail

inline Result<Segmentation> Client::everything(const ImageView& image, const EverythingOptions& options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const Result<detail::Milliseconds> total = core_->peer().everything_deadline(options.deadline);
    return total ? detail::ask_everything(*core_, image, options, *total) : Result<Segmentation>(total.error());
}

inline Result<Segmentation> Client::everything(const KeptImage& image, const EverythingOptions& options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const auto ask = [&](const detail::Kept::Name& name, detail::Milliseconds deadline) {
        EverythingOptions wanted = options;
        if (wanted.model.empty() && !wanted.route) {
            wanted.model = name.model;
        }
        return detail::ask_everything(*core_, wire::HeldImage{name.image_id, name.width, name.height}, wanted,
                                      deadline);
    };
    return detail::ask_about_kept(*core_, image.kept_.get(), core_->peer().everything_deadline(options.deadline), ask);
}

}  // namespace maskbus
