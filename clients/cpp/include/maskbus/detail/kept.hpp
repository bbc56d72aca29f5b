#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/core.hpp"
#include "maskbus/detail/owned.hpp"
#include "maskbus/options.hpp"
#include "maskbus/wire.hpp"

namespace maskbus::detail {

/// What stands behind a kept image: its name at the node, and its pixels, should the node have lost them.
class Kept {
public:
    /// What the node calls the image, and the image's size in pixels.
    struct Name {
        std::string image_id;
        std::string model;
        /// Whether the caller has named the model.
        bool choosy = false;
        std::uint32_t width = 0;
        std::uint32_t height = 0;
        bool released = false;
    };

    Kept(std::weak_ptr<Core> core, OwnedImage pixels, EmbedOptions options)
        : core_(std::move(core)), pixels_(std::move(pixels)), options_(std::move(options)) {
        name_.model = options_.model;
        name_.choosy = !options_.model.empty();
    }

    [[nodiscard]] Name name() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return name_;
    }
    [[nodiscard]] bool belongs_to(const Core& core) const noexcept {
        return core_.lock().get() == &core;
    }

    /// Have the node keep the image, unless another call has done so since it was called `known`.
    ///
    /// One thread sends the pixels, and the others wait for it. Errors: the node's; `unknown_image` where the pixels
    /// are gone; `deadline_exceeded` where another thread did not get it done in time.
    [[nodiscard]] Result<void> embed(Core& core, const std::string& known, Milliseconds deadline) {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!changed_.wait_until(lock, Clock::now() + deadline, [this] { return !sending_; })) {
            return Error{codes::deadline_exceeded, "The image was still being sent again by another call."};
        }
        if (name_.image_id != known) {
            return {};
        }
        if (pixels_.view.data == nullptr) {
            return Error{codes::unknown_image, "The node has lost the image, and its pixels are not here any more."};
        }
        sending_ = true;
        OwnedImage pixels = pixels_;
        EmbedOptions options = options_;
        options.model = name_.model;
        if (!known.empty()) {
            options.route = std::nullopt;  // the model that had the image gets it again
        }
        lock.unlock();
        const Result<Embedded> reply = send(core, std::move(pixels), options, known.empty(), deadline);
        lock.lock();
        sending_ = false;
        changed_.notify_all();
        if (!reply) {
            return reply.error();
        }
        name_.image_id = *reply->image_id;
        name_.model = reply->model;
        name_.width = reply->width;
        name_.height = reply->height;
        return {};
    }

    void forget_pixels() {
        const std::lock_guard<std::mutex> lock(mutex_);
        pixels_ = {};
    }

    /// Have the node forget the image, without waiting for it.
    void release() {
        std::string image_id;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (name_.released || name_.image_id.empty()) {
                return;
            }
            name_.released = true;
            image_id = name_.image_id;
            pixels_ = {};
        }
        if (const std::shared_ptr<Core> core = core_.lock()) {
            core->tell([&](const std::string& id, std::int64_t) { return wire::release(image_id, id); });
        }
    }

private:
    static Result<Embedded> send(Core& core, OwnedImage pixels, const EmbedOptions& options, bool first,
                                 Milliseconds deadline) {
        const auto encode = [&](const std::string& id, std::int64_t left) {
            return keeping(wire::embed(pixels.view, options, id, left), pixels, {});
        };
        const Arrival arrival = core.ask(encode, deadline, true, first ? options.id : std::string());
        if (!arrival) {
            return arrival.error();
        }
        Result<Embedded> reply = wire::embedded(*arrival);
        if (reply && (!reply->image_id || reply->image_id->empty())) {
            return Error{codes::protocol, "The node embedded the image and did not say under which image_id."};
        }
        return reply;
    }

    std::weak_ptr<Core> core_;
    mutable std::mutex mutex_;  // for all that follows
    std::condition_variable changed_;
    bool sending_ = false;
    OwnedImage pixels_;
    EmbedOptions options_;
    Name name_;
};

}  // namespace maskbus::detail
