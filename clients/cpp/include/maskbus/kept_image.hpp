#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "maskbus/detail/kept.hpp"

namespace maskbus {

/// An image that the node keeps: its pixels cross once, prompts as often as wanted. Move-only; made by `Client::embed`.
///
/// The handle holds the pixels, its own copy or the memory that `embed` was given an owner of, and sends them again by
/// itself when the node has let go of the image or was restarted. Any number of threads may use one handle. It belongs
/// to its client, and may outlive it. Its destructor has the node forget the image, and does not wait for that.
class KeptImage {
public:
    KeptImage(KeptImage&& other) noexcept = default;
    KeptImage& operator=(KeptImage&& other) noexcept {
        if (this != &other) {
            release();
            kept_ = std::move(other.kept_);
        }
        return *this;
    }
    ~KeptImage() {
        release();
    }

    /// Name of the image at the node; another one after the node lost it and got it again. Empty once moved elsewhere.
    [[nodiscard]] std::string image_id() const {
        return name().image_id;
    }
    /// Name of the model the image was embedded for.
    [[nodiscard]] std::string model() const {
        return name().model;
    }
    /// Pixels of the upright image.
    [[nodiscard]] std::uint32_t width() const {
        return name().width;
    }
    [[nodiscard]] std::uint32_t height() const {
        return name().height;
    }

    /// Give the memory of the pixels back. Should the node lose the image now, the error is `unknown_image`.
    void forget_pixels() {
        if (kept_ != nullptr) {
            kept_->forget_pixels();
        }
    }

    /// Have the node forget the image, without waiting for that. The handle segments no more; a second time does
    /// nothing.
    void release() {
        if (kept_ != nullptr) {
            kept_->release();
        }
    }

private:
    friend class Client;

    explicit KeptImage(std::shared_ptr<detail::Kept> kept) : kept_(std::move(kept)) {}

    [[nodiscard]] detail::Kept::Name name() const {
        return kept_ == nullptr ? detail::Kept::Name{} : kept_->name();
    }

    std::shared_ptr<detail::Kept> kept_;
};

}  // namespace maskbus
