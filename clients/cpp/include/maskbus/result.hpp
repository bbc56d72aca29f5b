#pragma once

#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>

#include "maskbus/error.hpp"

namespace maskbus {

/// A value, or why there is none. To look at the one that is not there is a bug, and ends the program.
template <class T>
class [[nodiscard]] Result {
public:
    static_assert(!std::is_reference_v<T> && !std::is_same_v<std::remove_cv_t<T>, Error>);

    // Implicit, so that functions can return either.
    Result(T value) : value_(std::in_place, std::move(value)) {}
    Result(Error error) : error_(std::move(error)) {}

    [[nodiscard]] bool ok() const noexcept {
        return value_.has_value();
    }
    [[nodiscard]] explicit operator bool() const noexcept {
        return ok();
    }

    [[nodiscard]] T& value() & {
        return held(value_);
    }
    [[nodiscard]] const T& value() const& {
        return held(value_);
    }
    [[nodiscard]] T&& value() && {
        return std::move(held(value_));
    }

    [[nodiscard]] T& operator*() & {
        return value();
    }
    [[nodiscard]] const T& operator*() const& {
        return value();
    }
    [[nodiscard]] T&& operator*() && {
        return std::move(*this).value();
    }
    [[nodiscard]] T* operator->() {
        return &value();
    }
    [[nodiscard]] const T* operator->() const {
        return &value();
    }

    [[nodiscard]] const Error& error() const& {
        return held(error_);
    }
    [[nodiscard]] Error&& error() && {
        return std::move(held(error_));
    }

    /// Return the value, or throw the error as an `Exception`.
    [[nodiscard]] T value_or_throw() && {
        if (!ok()) {
            throw Exception(std::move(held(error_)));
        }
        return std::move(held(value_));
    }

private:
    template <class Held>
    static auto& held(Held& optional) {
        if (!optional) {
            std::abort();
        }
        return *optional;
    }

    // One of the two is there. With a std::variant of them, the whole library took the compiler a fifth longer.
    std::optional<T> value_;
    std::optional<Error> error_;
};

/// Success, or why there was none.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    [[nodiscard]] bool ok() const noexcept {
        return !error_.has_value();
    }
    [[nodiscard]] explicit operator bool() const noexcept {
        return ok();
    }
    [[nodiscard]] const Error& error() const& {
        if (!error_) {
            std::abort();
        }
        return *error_;
    }
    [[nodiscard]] Error&& error() && {
        if (!error_) {
            std::abort();
        }
        return std::move(*error_);
    }

    /// Throw the error, if there is one, as an `Exception`.
    void value_or_throw() && {
        if (error_) {
            throw Exception(std::move(*error_));
        }
    }

private:
    std::optional<Error> error_;
};

}  // namespace maskbus
