"""Asking for all objects of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from maskbus_client.arguments import Lane, encodings_of, model_of, take_image
from maskbus_client.core import check_deadline, expect
from maskbus_client.link import new_id
from maskbus_client.option_input import fields_of, post_of, route_of, side_of
from maskbus_client.progress import Progress, listener
from maskbus_client.results import Result
from maskbus_client.steps import Flow
from maskbus_wire import replies, requests

if TYPE_CHECKING:
    from maskbus_client.handle import KeptImage
    from maskbus_client.image_input import Color, Sendable
    from maskbus_client.operations import Operations
    from maskbus_client.option_input import PostLike, RouteLike


def everything(
    self: Operations,
    image: Sendable | KeptImage,
    *,
    preset: str = "default",
    progress: Callable[[Progress], None] | None = None,
    model: str = "",
    route: RouteLike | None = None,
    encoding: str | Sequence[str] = "rle",
    publish: str | None = None,
    keep: bool = False,
    fresh: bool = False,
    max_side: int = 0,
    post: PostLike | None = None,
    points_per_side: int | None = None,
    points_per_batch: int | None = None,
    pred_iou_thresh: float | None = None,
    stability_score_thresh: float | None = None,
    stability_score_offset: float | None = None,
    box_nms_thresh: float | None = None,
    crop_n_layers: int | None = None,
    crop_nms_thresh: float | None = None,
    crop_overlap_ratio: float | None = None,
    crop_n_points_downscale_factor: int | None = None,
    min_mask_region_area: int | None = None,
    min_area: int | None = None,
    max_masks: int | None = None,
    retry: bool | None = None,
    lane: Lane = "interactive",
    deadline: float | None = None,
    stamp: int | None = None,
    frame_id: str | None = None,
    stream: str | None = None,
    seq: int | None = None,
    inline: bool = False,
    color: Color = "rgb",
    id: str | None = None,
) -> Flow[Result]:
    """Ask for all objects of an image, the largest first. What is not said here is as in `segment`.

    Args:
        image: As in `segment`.
        preset: Where the settings come from: "default", "dense" or "fast". Those below that are left out are its own.
        progress: What is called every now and then with how far it is, in the thread or loop of the call. What it
            raises is raised by the call, and the request is cancelled.
        model: Name of the model; empty: the node's default, or with a handle the model it was made for.
        route: This, `fresh`, `max_side` and `post` are as in `segment`.
        encoding: How the masks come back, one or several of those of `segment` but "logits".
        publish: Topic the masks are published under as well.
        keep: Whether the node keeps the image and answers an `image_id`.
        fresh: See `route`.
        max_side: See `route`.
        post: See `route`.
        points_per_side: The grid has this many points along each side of the image, 1 to 256.
        points_per_batch: Points decoded at once; 0: what suits the model and the device.
        pred_iou_thresh: A mask must have more than this `predicted_iou`, 0…1.
        stability_score_thresh: A mask must have at least this `stability_score`, 0…1.
        stability_score_offset: By how much the threshold of the logits is shifted to find the stability score.
        box_nms_thresh: Of two masks of one crop whose boxes overlap by more than this IoU, the better one stays.
        crop_n_layers: Layer i of crops looks at the image in 2^i × 2^i overlapping parts as well; 0 to 4 layers.
        crop_nms_thresh: As `box_nms_thresh`, between crops; the smaller crop's mask stays.
        crop_overlap_ratio: By how much of the image's shorter side the crops of the first layer overlap.
        crop_n_points_downscale_factor: In layer i, `points_per_side` is divided by this to the power of i.
        min_mask_region_area: Holes in a mask, and islands beside it, of fewer pixels than this are removed.
        min_area: A mask must have at least this many pixels.
        max_masks: At most so many masks, the largest; 0: all.
        retry: Whether, where nothing is found, the search is made once more with lower thresholds.
        lane: Which queue.
        deadline: Seconds until the answer is worth nothing, all tries together; left out: the client's, or 600 where
            that names none either.
        stamp: This, `frame_id`, `stream` and `seq` go through untouched.
        frame_id: See `stamp`.
        stream: See `stamp`.
        seq: See `stamp`.
        inline: Whether bytes of the reply stand in its header instead of in attachments.
        color: What 3 and 4 channels of a numpy array mean, "rgb" or "bgr".
        id: Id of the request, to `cancel` it from elsewhere; left out: a random one.

    Returns:
        The result; its `notes` say what was done otherwise than asked.

    Raises:
        MaskbusError: as `segment`.
    """
    kept, sent = take_image(image, color)
    if progress is not None and not self.peer.tells_progress:
        raise ValueError("A child tells no progress: leave it out.")
    if not isinstance(preset, str):
        raise TypeError(f"preset must be text, not {type(preset).__name__}.")
    tell = listener(progress, sent.picture)
    settings = {
        "points_per_side": points_per_side,
        "points_per_batch": points_per_batch,
        "pred_iou_thresh": pred_iou_thresh,
        "stability_score_thresh": stability_score_thresh,
        "stability_score_offset": stability_score_offset,
        "box_nms_thresh": box_nms_thresh,
        "crop_n_layers": crop_n_layers,
        "crop_nms_thresh": crop_nms_thresh,
        "crop_overlap_ratio": crop_overlap_ratio,
        "crop_n_points_downscale_factor": crop_n_points_downscale_factor,
        "min_mask_region_area": min_mask_region_area,
        "min_area": min_area,
        "max_masks": max_masks,
        "retry": retry,
    }
    wanted = route_of(route)
    request = requests.Everything(
        id=new_id() if id is None else id,
        image=sent.image,
        preset=preset,
        settings=requests.EverythingOptions(**fields_of(requests.EverythingOptions, settings)),
        encodings=encodings_of(encoding),
        progress=tell is not None,
        model=model_of(model, kept, wanted),
        route=wanted,
        inline=inline,
        keep=keep,
        lane=lane,
        publish=publish,
        fresh=fresh,
        max_side=side_of(max_side),
        post=post_of(post),
        stamp=stamp,
        frame_id=frame_id,
        stream=stream,
        seq=seq,
    )
    total = self.peer.policy.everything_deadline if deadline is None else check_deadline(deadline)
    incoming = yield from self.ask_masks(image, sent, request, list(sent.attachments), total, tell)
    return Result(expect(incoming, replies.FoundMasks), incoming.attachments, sent.picture)
