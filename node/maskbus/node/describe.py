"""What a node tells of itself: its models, its limits, its memory."""

from __future__ import annotations

import typing
from dataclasses import asdict

from maskbus.config import Config
from maskbus.engine.catalogue import Card, Catalogue
from maskbus_wire.image_checks import IMAGE_ENCODINGS
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.replies import Model, Models, RouteInfo
from maskbus_wire.requests import Encoding


def limits_of(config: Config) -> Limits:
    """Return the wire's limits as this node is configured."""
    plain = asdict(DEFAULT_LIMITS) | {"pixels": config.max_pixels, "frame_bytes": config.max_frame_bytes}
    return Limits(**plain)


def describe_models(
    request_id: str, config: Config, catalogue: Catalogue, limits: Limits, routes: list[RouteInfo]
) -> Models:
    """Return the reply to `describe`."""
    return Models(
        id=request_id,
        models=[_model(card, config) for card in catalogue.cards.values()],
        image_encodings=list(IMAGE_ENCODINGS),
        limits=asdict(limits),
        routes=routes,
    )


def _model(card: Card, config: Config) -> Model:
    return Model(
        name=card.name,
        title=card.title,
        prompts=sorted(card.prompts),
        encodings=[name for name in typing.get_args(Encoding) if name != "logits" or card.has_logits],
        licence=card.licence,
        weights=card.weights,
        ready=card.ready,
        missing=card.missing,
        multimask=card.multimask,
        everything=card.finds_everything,
        tracks=card.tracks,
        device=", ".join(card.devices),
        default=card.name == config.default_model,
        default_for_text="text" in card.prompts and card.name == config.text_model,
    )
