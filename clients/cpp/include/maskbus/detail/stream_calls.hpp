#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "maskbus/client.hpp"
#include "maskbus/detail/client_calls.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/detail/producer.hpp"
#include "maskbus/stream.hpp"
#include "maskbus/wire.hpp"

namespace maskbus {

namespace detail {

/// Frames that wait in a stream's connection for the node to take them. More would be older when they arrive.
inline constexpr int frames_queued = 2;
/// Notices about frames that wait to be read. One whose frames are all wrong gets as many.
inline constexpr int notices_queued = 1'000;

inline Error stream_moved_away() {
    return {codes::closed, "The stream has been moved elsewhere."};
}

inline Result<StreamCounts> close_stream(Core& core, const std::string& name, Milliseconds deadline) {
    const auto encode = [&](const std::string& id, std::int64_t) { return wire::stream_close(name, id); };
    Result<StreamClosed> closed = answer(core.ask(encode, deadline, true), &wire::stream_closed);
    return closed ? Result<StreamCounts>(std::move(closed->counts)) : Result<StreamCounts>(std::move(closed).error());
}

inline Result<std::vector<StreamInfo>> list_streams(Core& core, Milliseconds deadline) {
    const auto encode = [](const std::string& id, std::int64_t) { return wire::stream_list(id); };
    Result<Streams> list = answer(core.ask(encode, deadline, false), &wire::streams);
    if (!list) {
        return std::move(list).error();
    }
    return std::move(list->streams);
}

}  // namespace detail

inline Result<Stream> Client::open_stream(const std::string& name, StreamOptions options) {
    if (core_ == nullptr) {
        return detail::moved_away();
    }
    options.track = options.track || !options.objects.empty();
    const Result<detail::Milliseconds> total = core_->peer().deadline(options.deadline);
    if (!total) {
        return total.error();
    }
    Result<detail::Socket> socket = core_->dealer({detail::frames_queued, detail::notices_queued});
    if (!socket) {
        return std::move(socket).error();
    }
    const auto encode = [&](const std::string& id, std::int64_t) { return wire::stream_open(name, options, id); };
    Result<StreamOpened> opened = detail::answer(core_->ask(encode, *total, true), &wire::stream_opened);
    if (!opened) {
        return std::move(opened).error();
    }
    return Stream(
        std::make_shared<detail::Producer>(core_, *std::move(socket), std::move(options), *std::move(opened), *total));
}

inline Result<std::vector<StreamInfo>> Client::streams(CallOptions options) {
    return core_ == nullptr ? Result<std::vector<StreamInfo>>(detail::moved_away())
                            : detail::list_streams(*core_, options.deadline);
}

inline Result<StreamCounts> Client::close_stream(const std::string& name, CallOptions options) {
    return core_ == nullptr ? Result<StreamCounts>(detail::moved_away())
                            : detail::close_stream(*core_, name, options.deadline);
}

inline Result<bool> Stream::send(const ImageView& image, const FrameOptions& options,
                                 const std::shared_ptr<const void>& keeps_pixels_alive) {
    return producer_ == nullptr ? Result<bool>(detail::stream_moved_away())
                                : producer_->send(image, options, keeps_pixels_alive, nullptr);
}

inline Result<void> Stream::check() {
    return producer_ == nullptr ? Result<void>(detail::stream_moved_away()) : producer_->check();
}

inline Result<StreamUpdated> Stream::update(const StreamUpdate& update) {
    if (producer_ == nullptr) {
        return detail::stream_moved_away();
    }
    const auto encode = [&](const std::string& id, std::int64_t) {
        return wire::stream_update(producer_->opened().stream, update, id);
    };
    Result<StreamUpdated> updated =
        detail::answer(producer_->core()->ask(encode, update.deadline, true), &wire::stream_updated);
    if (updated) {
        producer_->changed(update);
    } else if (updated.error().code == codes::unknown_stream) {
        producer_->mark_lost();
    }
    return updated;
}

inline Result<StreamUpdated> Stream::add(std::int64_t object_id, Prompt prompt, CallOptions options) {
    StreamUpdate change;
    change.objects.push_back({object_id, std::move(prompt)});
    change.deadline = options.deadline;
    return update(change);
}

inline Result<StreamUpdated> Stream::remove(std::int64_t object_id, CallOptions options) {
    StreamUpdate change;
    change.remove = {object_id};
    change.deadline = options.deadline;
    return update(change);
}

inline Result<StreamInfo> Stream::info(CallOptions options) {
    if (producer_ == nullptr) {
        return detail::stream_moved_away();
    }
    const Result<std::vector<StreamInfo>> list = detail::list_streams(*producer_->core(), options.deadline);
    if (!list) {
        return list.error();
    }
    const std::string& wanted = producer_->opened().stream;
    const auto found =
        std::find_if(list->begin(), list->end(), [&](const StreamInfo& info) { return info.stream == wanted; });
    if (found == list->end()) {
        return Error{codes::unknown_stream, "The node has no stream \"" + wanted + "\".", "stream"};
    }
    return *found;
}

inline Result<Subscription> Stream::results(const SubscribeOptions& options) {
    return producer_ == nullptr ? Result<Subscription>(detail::stream_moved_away())
                                : detail::Subscribing::to(*producer_->core(), topic(), options);
}

inline Result<Subscription> Stream::results(std::function<void(Segmentation)> callback, SubscribeOptions options) {
    return producer_ == nullptr
               ? Result<Subscription>(detail::stream_moved_away())
               : detail::Subscribing::to(*producer_->core(), topic(), std::move(callback), std::move(options));
}

inline Result<StreamCounts> Stream::close(CallOptions options) {
    if (producer_ == nullptr) {
        return detail::stream_moved_away();
    }
    if (!producer_->end()) {
        return Error{codes::closed, "The stream is closed."};
    }
    detail::Core& core = *producer_->core();
    if (const Result<detail::Milliseconds> total = core.peer().deadline(options.deadline); total) {
        producer_->drain(detail::Clock::now() + *total);
    }
    producer_->stop();
    Result<StreamCounts> counts = detail::close_stream(core, name(), options.deadline);
    if (!counts && counts.error().code == codes::unknown_stream) {
        return StreamCounts{};
    }
    return counts;
}

inline void Stream::drop() {
    if (producer_ != nullptr && producer_->end()) {
        const std::string stream = name();
        producer_->core()->tell([&](const std::string& id, std::int64_t) { return wire::stream_close(stream, id); });
        producer_->stop();
    }
}

}  // namespace maskbus
