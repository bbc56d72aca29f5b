#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "maskbus/detail/feed.hpp"
#include "maskbus/options.hpp"
#include "maskbus/result.hpp"
#include "maskbus/segmentation.hpp"

namespace maskbus {

namespace detail {
struct Subscribing;
}

/// What of a topic is wanted, and how. An aggregate: C++20 may name the fields.
struct SubscribeOptions {
    /// How the masks come, whatever their requester chose; left out: as the requester chose.
    std::optional<MaskEncoding> encoding = std::nullopt;
    /// Whether only the newest message of each topic is wanted: those that came while the last one was being looked at
    /// are dropped and counted. A thread of its own keeps up with the node.
    bool newest = false;
    /// Whether all topics that begin with the given text are meant.
    bool prefix = false;
    /// Where to subscribe; empty: where the node says, which is asked for that.
    std::string endpoint = {};
    /// How long the node is waited for where it is asked; 0: the client's.
    std::chrono::milliseconds deadline{0};
    /// With a callback: is told, on the same thread, of a message that could not be read (`protocol`), and of an
    /// exception that left the callback (`internal`). The subscription goes on after either.
    std::function<void(const Error&)> on_error = {};
};

/// The results published under a topic, one after the other. Move-only; made by `Client::subscribe`.
///
/// One thread at a time may read it; `close` and the counters are for any. Closing the client closes it as well; it may
/// outlive the client. Its destructor closes it, and returns once no thread of it runs any more.
class Subscription {
public:
    Subscription(Subscription&& other) noexcept = default;
    Subscription& operator=(Subscription&& other) noexcept {
        if (this != &other) {
            close();
            feed_ = std::move(other.feed_);
            calls_back_ = other.calls_back_;
        }
        return *this;
    }
    ~Subscription() {
        close();
    }

    /// Wait for the next result for as long as it takes. Errors: `protocol` for a message that cannot be read, the
    /// next one may well be; `closed` once the subscription or its client is closed, or where there is a callback.
    [[nodiscard]] Result<Segmentation> next() {
        return wait(std::nullopt);
    }

    /// As `next`, and error `deadline_exceeded` if none came in time. 0: what is there already.
    [[nodiscard]] Result<Segmentation> next(std::chrono::milliseconds timeout) {
        constexpr std::chrono::hours for_ever(24 * 365);
        if (timeout > for_ever) {
            return next();
        }
        return wait(detail::Clock::now() + std::max(timeout, std::chrono::milliseconds(0)));
    }

    /// With `newest`: how many results were passed over because a newer one of the same topic was there. Otherwise 0.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return feed_ == nullptr ? 0 : feed_->dropped();
    }

    /// End the subscription. A `next` or a loop in another thread ends too. Once this has returned, the callback does
    /// not run any more; called by the callback, it makes that call the last.
    void close() {
        if (feed_ != nullptr) {
            feed_->close();
        }
    }

    /// Goes from result to result, for `for (const maskbus::Segmentation& masks : subscription)`. The loop ends when
    /// the subscription is closed; messages that cannot be read are passed over.
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Segmentation;
        using difference_type = std::ptrdiff_t;
        using pointer = const Segmentation*;
        using reference = const Segmentation&;

        Iterator() = default;
        [[nodiscard]] reference operator*() const {
            return *found_;
        }
        [[nodiscard]] pointer operator->() const {
            return &*found_;
        }
        Iterator& operator++() {
            advance();
            return *this;
        }
        void operator++(int) {
            advance();
        }
        friend bool operator==(const Iterator& left, const Iterator& right) {
            return left.source_ == right.source_;
        }
        friend bool operator!=(const Iterator& left, const Iterator& right) {
            return !(left == right);
        }

    private:
        friend class Subscription;
        explicit Iterator(Subscription* source) : source_(source) {
            advance();
        }
        void advance() {
            for (;;) {
                Result<Segmentation> result = source_->next();
                if (result) {
                    found_ = *std::move(result);
                    return;
                }
                if (result.error().code == codes::closed) {
                    source_ = nullptr;
                    found_.reset();
                    return;
                }
            }
        }

        Subscription* source_ = nullptr;
        std::optional<Segmentation> found_;
    };

    [[nodiscard]] Iterator begin() {
        return Iterator(this);
    }
    [[nodiscard]] Iterator end() const {
        return {};
    }

private:
    friend struct detail::Subscribing;

    Subscription(std::shared_ptr<detail::Feed> feed, bool calls_back)
        : feed_(std::move(feed)), calls_back_(calls_back) {}

    [[nodiscard]] Result<Segmentation> wait(std::optional<detail::TimePoint> until) {
        if (feed_ == nullptr) {
            return Error{codes::closed, "The subscription has been moved elsewhere."};
        }
        if (calls_back_) {
            return Error{codes::closed, "The results of this subscription go to its callback."};
        }
        return feed_->next(until);
    }

    std::shared_ptr<detail::Feed> feed_;
    bool calls_back_ = false;
};

namespace detail {

/// Make one function of a callback and of what is told when something goes wrong. It lets no exception out.
inline std::function<void(Result<Segmentation>)> guarded(std::function<void(Segmentation)> callback,
                                                         std::function<void(const Error&)> on_error) {
    return [callback = std::move(callback), on_error = std::move(on_error)](Result<Segmentation> result) {
        std::optional<Error> problem;
        try {
            if (result) {
                callback(*std::move(result));
            } else {
                problem = std::move(result).error();
            }
        } catch (const std::exception& exception) {
            problem = Error{codes::internal, std::string("The callback threw: ") + exception.what()};
        } catch (...) {
            problem = Error{codes::internal, "The callback threw something."};
        }
        if (problem && on_error) {
            try {
                on_error(*problem);
            } catch (...) {  // NOLINT(bugprone-empty-catch): there is nobody left to tell
            }
        }
    };
}

}  // namespace detail
}  // namespace maskbus
