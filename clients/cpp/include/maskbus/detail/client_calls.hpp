#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "maskbus/client.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/detail/endpoints.hpp"
#include "maskbus/detail/kept.hpp"
#include "maskbus/detail/owned.hpp"
#include "maskbus/detail/topic_filter.hpp"
#include "maskbus/names.hpp"
#include "maskbus/wire.hpp"

namespace maskbus {

namespace detail {

inline Error moved_away() {
    return {codes::closed, "The client has been moved elsewhere."};
}

/// Read an answer with the function that reads its kind.
template <class T>
Result<T> answer(const Arrival& arrival, Result<T> (*read)(const wire::Opened&)) {
    return arrival ? read(*arrival) : Result<T>(arrival.error());
}

inline Result<Segmentation> read_masks(const wire::Opened& opened) {
    return wire::segmentation(opened);
}

/// Ask about an image that the node keeps.
inline Result<Segmentation> segment_kept(Core& core, const Kept::Name& name, const Prompt& prompt,
                                         const SegmentOptions& options, Milliseconds deadline) {
    const wire::HeldImage held{name.image_id, name.width, name.height};
    const auto encode = [&](const std::string& request_id, std::int64_t left) {
        return wire::segment(held, prompt, options, request_id, left);
    };
    return answer(core.ask(encode, deadline, true, options.id), &read_masks);
}

/// Have `ask(name, deadline)` ask about an image that the node keeps, or should: one that it has let go of, or that
/// another run of it has kept, is sent again, once.
template <class Ask>
Result<Segmentation> ask_about_kept(Core& core, Kept* kept, const Result<Milliseconds>& total, const Ask& ask) {
    if (kept == nullptr || !kept->belongs_to(core)) {
        return Error{codes::invalid_argument, "This image is not one of this client's.", "image"};
    }
    if (!total) {
        return total.error();
    }
    const Kept::Name name = kept->name();
    if (name.released) {
        return Error{codes::invalid_argument, "This image has been released.", "image"};
    }
    const TimePoint end = Clock::now() + *total;
    const auto left = [end] { return Milliseconds(std::max(1L, milliseconds_until(end, Clock::now()))); };
    Result<Segmentation> masks = ask(name, *total);
    if (masks || (masks.error().code != codes::unknown_image && masks.error().code != codes::image_expired)) {
        return masks;
    }
    if (Result<void> again = kept->embed(core, name.image_id, left()); !again) {
        return std::move(again).error();
    }
    return ask(kept->name(), left());
}

}  // namespace detail

inline Result<Client> Client::connect(ClientOptions options) {
    Result<std::shared_ptr<detail::Core>> core = detail::Core::make(std::move(options));
    if (!core) {
        return std::move(core).error();
    }
    return Client(*std::move(core));
}

inline Result<Segmentation> Client::segment(const ImageView& image, const Prompt& prompt,
                                            const SegmentOptions& options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const auto encode = [&](const std::string& id, std::int64_t left) {
        return wire::segment(image, prompt, options, id, left);
    };
    return detail::answer(core_->ask(encode, options.deadline, true, options.id), &detail::read_masks);
}

inline Result<Segmentation> Client::segment(const KeptImage& image, const Prompt& prompt,
                                            const SegmentOptions& options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const auto ask = [&](const detail::Kept::Name& name, detail::Milliseconds deadline) {
        SegmentOptions wanted = options;
        // An image that was kept for no model in particular does not say who finds a text.
        if (wanted.model.empty() && !wanted.route && (prompt.text.empty() || name.choosy)) {
            wanted.model = name.model;
        }
        return detail::segment_kept(*core_, name, prompt, wanted, deadline);
    };
    return detail::ask_about_kept(*core_, image.kept_.get(), core_->peer().deadline(options.deadline), ask);
}

inline std::future<Result<Segmentation>> Client::segment_async(ImageView image, Prompt prompt, SegmentOptions options,
                                                               std::shared_ptr<const void> keeps_pixels_alive) {
    const auto promise = std::make_shared<std::promise<Result<Segmentation>>>();
    std::future<Result<Segmentation>> future = promise->get_future();
    if (core_ == nullptr) {
        promise->set_value(detail::moved_away());
        return future;
    }
    // Checked before anything is copied: an impossible image has no pixels to copy.
    if (Result<wire::Message> sound = wire::segment(image, prompt, options, "check"); !sound) {
        promise->set_value(std::move(sound).error());
        return future;
    }
    const detail::Milliseconds deadline = options.deadline;
    const std::string id = options.id;
    auto encode = [pixels = detail::OwnedImage::of(image, std::move(keeps_pixels_alive)),
                   prompt = detail::owned(std::move(prompt)),
                   options = std::move(options)](const std::string& request_id, std::int64_t left) {
        return detail::keeping(wire::segment(pixels.view, prompt, options, request_id, left), pixels, prompt);
    };
    core_->post(std::move(encode), deadline, id, [promise](const detail::Arrival& arrival) {
        promise->set_value(detail::answer(arrival, &detail::read_masks));
    });
    return future;
}

inline Result<KeptImage> Client::embed(const ImageView& image, const EmbedOptions& options,
                                       std::shared_ptr<const void> keeps_pixels_alive) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const Result<detail::Milliseconds> total = core_->peer().deadline(options.deadline);
    if (!total) {
        return total.error();
    }
    if (Result<wire::Message> sound = wire::embed(image, options, "check"); !sound) {
        return std::move(sound).error();
    }
    auto kept =
        std::make_shared<detail::Kept>(core_, detail::OwnedImage::of(image, std::move(keeps_pixels_alive)), options);
    if (Result<void> done = kept->embed(*core_, {}, *total); !done) {
        return std::move(done).error();
    }
    return KeptImage(std::move(kept));
}

inline Result<int> Client::cancel(std::string_view id, CallOptions options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    if (id.empty()) {
        return Error{codes::invalid_argument, "Name the request to cancel by its id.", "id"};
    }
    core_->peer().cancellations.cancel(id);
    const auto encode = [id](const std::string& request_id, std::int64_t) { return wire::cancel(id, request_id); };
    const Result<Cancelled> reply = detail::answer(core_->ask_once(encode, options.deadline), &wire::cancelled);
    if (!reply) {
        return reply.error();
    }
    return static_cast<int>(reply->cancelled);
}

inline Result<Models> Client::describe(CallOptions options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const auto encode = [](const std::string& id, std::int64_t) { return wire::describe(id); };
    return detail::answer(core_->ask(encode, options.deadline, false), &wire::models);
}

inline Result<Pong> Client::ping(CallOptions options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const auto encode = [](const std::string& id, std::int64_t) { return wire::ping(id); };
    return detail::answer(core_->ask(encode, options.deadline, false), &wire::pong);
}

inline Result<Statistics> Client::stats(CallOptions options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    const auto encode = [](const std::string& id, std::int64_t) { return wire::stats(id); };
    return detail::answer(core_->ask(encode, options.deadline, false), &wire::statistics);
}

namespace detail {

/// Subscribe where the options say, or where the node does.
inline Result<std::shared_ptr<Feed>> open_feed(Core& core, const std::string& topic, const SubscribeOptions& options) {
    const std::string_view encoding = options.encoding ? name_of(*options.encoding) : std::string_view();
    Result<TopicFilter> filter = TopicFilter::make(topic, encoding, options.prefix);
    if (!filter) {
        return std::move(filter).error();
    }
    std::string endpoint = options.endpoint;
    if (endpoint.empty()) {
        const auto encode = [](const std::string& id, std::int64_t) { return wire::ping(id); };
        const Result<Pong> pong = answer(core.ask(encode, options.deadline, false), &wire::pong);
        if (!pong) {
            return pong.error();
        }
        Result<std::string> chosen = choose_publish(core.peer().endpoint, pong->publish_endpoints);
        if (!chosen) {
            return std::move(chosen).error();
        }
        endpoint = *std::move(chosen);
    }
    if (Result<void> sound = check_endpoint(endpoint); !sound) {
        return std::move(sound).error();
    }
    return core.subscribe(endpoint, *std::move(filter), options.newest);
}

/// Makes subscriptions.
struct Subscribing {
    [[nodiscard]] static Result<Subscription> to(Core& core, const std::string& topic,
                                                 const SubscribeOptions& options) {
        Result<std::shared_ptr<Feed>> feed = open_feed(core, topic, options);
        if (!feed) {
            return std::move(feed).error();
        }
        return Subscription(*std::move(feed), false);
    }

    [[nodiscard]] static Result<Subscription> to(Core& core, const std::string& topic,
                                                 std::function<void(Segmentation)> callback, SubscribeOptions options) {
        if (!callback) {
            return Error{codes::invalid_argument, "The callback is no function.", "callback"};
        }
        Result<std::shared_ptr<Feed>> feed = open_feed(core, topic, options);
        if (!feed) {
            return std::move(feed).error();
        }
        Subscription subscription(*feed, true);
        if (Result<void> called = (*feed)->call(guarded(std::move(callback), std::move(options.on_error))); !called) {
            return std::move(called).error();
        }
        return subscription;
    }
};

}  // namespace detail

inline Result<Subscription> Client::subscribe(const std::string& topic, const SubscribeOptions& options) {
    return core_ == nullptr ? Result<Subscription>(detail::moved_away())
                            : detail::Subscribing::to(*core_, topic, options);
}

inline Result<Subscription> Client::subscribe(const std::string& topic, std::function<void(Segmentation)> callback,
                                              SubscribeOptions options) {
    return core_ == nullptr ? Result<Subscription>(detail::moved_away())
                            : detail::Subscribing::to(*core_, topic, std::move(callback), std::move(options));
}

}  // namespace maskbus
