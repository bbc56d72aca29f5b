#pragma once

#include <cstdint>
#include <optional>

namespace maskbus {

/// By what masks are chosen for a text.
enum class TextSelect {
    softmax,  ///< Probability among all masks.
    cosine,   ///< Similarity.
    top,      ///< The best few.
};

/// What becomes of the masks that answer to one text.
enum class TextCombine {
    each,   ///< Each is answered apart.
    whole,  ///< "union": all of them are one mask.
};

/// What is put around a mask before it is looked at.
enum class TextBackground {
    black,
    mean,  ///< The mean colour of what the model was trained on.
    blur,  ///< The picture itself, blurred.
    keep,  ///< The picture as it is.
};

/// How masks are chosen by what they show. What is left out is as the model is configured.
struct TextOptions {
    std::optional<TextSelect> select = std::nullopt;
    /// The least probability, 0…1, or similarity, -1…1. Not with `top`.
    std::optional<double> threshold = std::nullopt;
    /// With `top`, and only there: how many masks of each text, at least 1.
    std::optional<std::int64_t> top = std::nullopt;
    std::optional<TextCombine> combine = std::nullopt;
    std::optional<TextBackground> background = std::nullopt;
    /// How much of the picture around the mask is looked at, in parts of its box's longer side, 0…4.
    std::optional<double> margin = std::nullopt;
};

}  // namespace maskbus
