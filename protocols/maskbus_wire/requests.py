"""What can be asked of a node: one struct an operation, one table in SPEC.md each."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from maskbus_wire.prompts import Image, Prompt, Slot
from maskbus_wire.version import VERSION

Lane = Literal["interactive", "stream", "batch"]
Policy = Literal["newest", "every", "sample"]
Encoding = Literal["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "logits", "overlay"]


class Request(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="op"):
    """What every request may hold."""

    maskbus: str = msgspec.field(default=VERSION)
    """Version of the wire, "major.minor"."""
    id: str = ""
    """Chosen by the requester; stands on every reply. Make it unguessable where `cancel` is used."""


class Route(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Models that are tried one after the other until one answers well enough. Left out: as the node is configured."""

    models: list[str] = []
    """Their names, in the order in which they are tried; empty: those of the route that `model` names."""
    min_predicted_iou: float | None = None
    """An answer is good enough if it has a mask of at least this `predicted_iou`, 0…1; 0: any mask will do."""
    share: float | None = None
    """What part of the time that is left a model may take, more than 0, at most 1; the last one may take all of it."""


class Work(Request, kw_only=True, omit_defaults=True, frozen=True):
    """What the operations that need a model share."""

    image: Image
    """The picture."""
    model: str = ""
    """Name of the model, or of a route such as `auto`; empty: the node's default."""
    route: Route | None = None
    """Which models to try, in which order, and when the next one is tried. `model` is empty or names a route then."""
    lane: Lane = "interactive"
    """Which queue: interactive before stream before batch."""
    deadline_ms: int | None = None
    """Milliseconds from the node's receipt until the answer is worth nothing; left out: the node's own."""
    stamp: int | None = None
    """Time of the image, nanoseconds since the epoch. Goes through untouched."""
    frame_id: str | None = None
    """Coordinate frame of the image, as in ROS. Goes through untouched."""
    stream: str | None = None
    """Name of the stream the image is from. Goes through untouched."""
    seq: int | None = None
    """Number of the image in its stream. Goes through untouched."""


class PostProcessing(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What is done to masks before they are answered, in this order. Areas are in pixels of the image."""

    fill_holes: int = 0
    """Holes of fewer pixels than this are filled; 0: none."""
    remove_islands: int = 0
    """Parts of a mask of fewer pixels than this are removed, but for its largest; 0: none."""
    smooth: float = 0.0
    """The outline is smoothed over this many pixels to either side, up to 64; 0: not at all."""
    min_area: int = 0
    """Masks of fewer pixels than this are left out of the answer; 0: none."""
    max_contours: int = 0
    """Of each mask's polygons at most so many, the largest; 0: all."""
    max_error: float = 0.0
    """Polygons may lie this many pixels beside the outline, up to 64, and have fewer corners; 0: as in `polygon`."""


class MaskWork(Work, kw_only=True, omit_defaults=True, frozen=True):
    """What the operations that answer masks share."""

    encodings: list[Encoding] = msgspec.field(default_factory=lambda: ["rle"])
    """How the masks come back, in one way or several; empty: bounding boxes, areas and scores only."""
    inline: bool = False
    """Whether bytes of the reply stand in its header instead of in attachments."""
    keep: bool = False
    """Whether the node keeps the image and answers an `image_id`."""
    publish: str | None = None
    """Topic the masks are published under as well."""
    fresh: bool = False
    """Whether the answer must be computed, though the node may have the same one already."""
    max_side: int = 0
    """The model is shown the image with its longer side at most this long, 64 to 32767; 0: as it is."""
    post: PostProcessing | None = None
    """What is done to the masks; left out: what the node's configuration says of the model."""


class TextOptions(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How masks are chosen by what they show. Left out: as the model is configured."""

    select: Literal["softmax", "cosine", "top"] | None = None
    """By probability among all masks, by cosine similarity, or the best few; left out: softmax."""
    threshold: float | None = None
    """The least probability (0…1; left out: 0.1) or similarity (-1…1; left out: 0.25). Not with `top`."""
    top: int | None = None
    """With `top`, and only there: how many masks of each text, at least 1; left out: 1."""
    combine: Literal["each", "union"] | None = None
    """Whether each mask is answered apart, or all masks of a text as one; left out: each."""
    background: Literal["black", "mean", "blur", "keep"] | None = None
    """What is put around the mask before it is looked at; left out: mean, the grey that CLIP takes for nothing."""
    margin: float | None = None
    """How much of the picture around the mask is looked at, in parts of its box's longer side, 0…4; left out: 0.1."""


class Segment(MaskWork, kw_only=True, omit_defaults=True, frozen=True, tag="segment"):
    """Ask for the masks a prompt points at."""

    prompt: Prompt = Prompt()
    """What to segment."""
    multimask: bool = False
    """Whether several hypotheses for one prompt are wanted."""
    result: Slot | None = None
    """Slot of shared memory for the bytes of the reply's masks. What does not fit comes as attachments."""
    text_options: TextOptions | None = None
    """How masks are chosen where the prompt has `text`, and only there."""
    options: dict[str, Any] = {}
    """The model's own options."""


class EverythingOptions(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Settings of everything mode that differ from the preset's. Left out: the preset's."""

    points_per_side: int | None = None
    """The grid has this many points along each side of the image, 1 to 256."""
    points_per_batch: int | None = None
    """Points decoded at once, at most 4096; 0: what suits the model and the device."""
    pred_iou_thresh: float | None = None
    """A mask must have more than this `predicted_iou`, 0…1."""
    stability_score_thresh: float | None = None
    """A mask must have at least this `stability_score`, 0…1."""
    stability_score_offset: float | None = None
    """By how much the threshold of the logits is shifted to find the stability score, more than 0, at most 100."""
    box_nms_thresh: float | None = None
    """Of two masks of one crop whose boxes overlap by more than this IoU, 0…1, the better one stays."""
    crop_n_layers: int | None = None
    """Layer i of crops looks at the image in 2^i × 2^i overlapping parts as well; 0 to 4 layers."""
    crop_nms_thresh: float | None = None
    """As `box_nms_thresh`, between crops; the smaller crop's mask stays."""
    crop_overlap_ratio: float | None = None
    """By how much of the image's shorter side the crops of the first layer overlap, from 0 to less than 1."""
    crop_n_points_downscale_factor: int | None = None
    """In layer i, `points_per_side` is divided by this, 1 to 16, to the power of i."""
    min_mask_region_area: int | None = None
    """Holes in a mask, and islands beside it, of fewer pixels than this are removed; 0: all are left."""
    min_area: int | None = None
    """A mask must have at least this many pixels."""
    max_masks: int | None = None
    """At most so many masks, the largest, up to 65535; 0: all."""
    retry: bool | None = None
    """Whether, where nothing is found, the search is made once more with lower thresholds."""


class Everything(MaskWork, kw_only=True, omit_defaults=True, frozen=True, tag="everything"):
    """Ask for all objects of an image."""

    preset: str = "default"
    """Where the settings come from: default, dense or fast."""
    settings: EverythingOptions = EverythingOptions()
    """Settings that differ from the preset's."""
    progress: bool = False
    """Whether `progress` replies are wanted before the answer. A REQ socket must not ask for them."""


class Embed(Work, kw_only=True, omit_defaults=True, frozen=True, tag="embed"):
    """Have an image kept and its embedding computed, so that later prompts cost a decode only."""


class Release(Request, kw_only=True, omit_defaults=True, frozen=True, tag="release"):
    """Let go of an image the node keeps."""

    image_id: str
    """The image."""


class Lease(Request, kw_only=True, omit_defaults=True, frozen=True, tag="lease"):
    """Ask for shared memory, to hand over pixels and get masks without sending them."""

    slots: int
    """How many slots, 1 to 64."""
    slot_bytes: int
    """Bytes of one slot; rounded up to a multiple of 4096."""


class Return(Request, kw_only=True, omit_defaults=True, frozen=True, tag="return"):
    """Give leased shared memory back."""

    lease: str
    """Name of the lease."""


class Describe(Request, kw_only=True, omit_defaults=True, frozen=True, tag="describe"):
    """Ask what the node offers."""


class Ping(Request, kw_only=True, omit_defaults=True, frozen=True, tag="ping"):
    """Ask whether the node is there."""


class Stats(Request, kw_only=True, omit_defaults=True, frozen=True, tag="stats"):
    """Ask how the node is doing."""


class Cancel(Request, kw_only=True, omit_defaults=True, frozen=True, tag="cancel"):
    """Take back a request that has not been answered."""

    target: str
    """`id` of the request to cancel. Matches this connection's own first, then any other's."""


class TrackedObject(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """An object to follow, or one that is followed and to be corrected."""

    object_id: int
    """Chosen by the requester, 0 to 2^31 - 1; stands on the object's masks."""
    prompt: Prompt = Prompt()
    """Points and at most one box, or a mask. Points at one frame add up; a box or mask takes the place of the last."""


class StreamRequest(Request, kw_only=True, omit_defaults=True, frozen=True):
    """What the operations on one stream share."""

    stream: str
    """Name of the stream, the same for all its frames: no `/`, no `:`, no white space."""


class StreamOpen(StreamRequest, kw_only=True, omit_defaults=True, frozen=True, tag="stream.open"):
    """Begin a stream, or begin one of this name anew. Its results are published."""

    model: str = ""
    """Name of the model; empty: the node's default."""
    prompt: Prompt = Prompt()
    """What to segment in each frame. Without mask and logits."""
    multimask: bool = False
    """Whether several hypotheses for one prompt are wanted."""
    track: bool = False
    """Whether objects are followed from frame to frame, instead of each frame being segmented by itself."""
    objects: list[TrackedObject] = []
    """With `track`: objects to follow, prompted as they are in the first frame."""
    encodings: list[Encoding] = msgspec.field(default_factory=lambda: ["rle"])
    """How the masks are published, as in `segment`."""
    inline: bool = False
    """Whether bytes of the results stand in their header instead of in attachments."""
    policy: Policy = "newest"
    """Which frames are looked at where more come than the model manages."""
    max_fps: float | None = None
    """With `sample`, and only there: frames a second that are looked at, at most."""
    max_waiting: int = 8
    """With `every`: frames that may be with the node at a time, 1 to 64."""
    max_age_ms: int | None = None
    """A frame that is older when its turn comes is dropped; left out: none is too old."""
    age_from: Literal["receipt", "stamp"] = "receipt"
    """What a frame's age counts from: when the node got it, or its `stamp`, if the two machines' clocks agree."""
    deadline_ms: int | None = None
    """Milliseconds that the model may take for one frame; left out: the node's own."""
    always: bool = False
    """Whether frames are looked at even when nobody subscribes to the results."""
    idle_ms: int | None = None
    """Milliseconds without a frame after which the stream is closed; left out, or more than the node's own: that."""
    max_side: int = 0
    """As in `segment`. Not with `track`."""
    post: PostProcessing | None = None
    """As in `segment`. With `track` without `min_area`: an object stays where it is in the answer."""
    text_options: TextOptions | None = None
    """As in `segment`. Not with `track`."""
    options: dict[str, Any] = {}
    """The model's own options."""


class StreamFrame(StreamRequest, kw_only=True, omit_defaults=True, frozen=True, tag="stream.frame"):
    """Hand in the next frame of a stream. Not answered, unless it is wrong or asks for it."""

    image: Image
    """The frame. Not an `image_id`."""
    stamp: int | None = None
    """Time of the frame, nanoseconds since the epoch. Goes through untouched."""
    frame_id: str | None = None
    """Coordinate frame of the camera, as in ROS. Goes through untouched."""
    seq: int | None = None
    """Number of the frame. Goes through untouched."""
    ack: bool = False
    """Whether an answer is wanted once the node has the frame. A REQ socket must ask for it."""


class StreamUpdate(StreamRequest, kw_only=True, omit_defaults=True, frozen=True, tag="stream.update"):
    """Change a stream while it runs. What is left out stays as it is."""

    prompt: Prompt | None = None
    """What to segment in each frame from now on."""
    objects: list[TrackedObject] = []
    """Objects to follow as well, or to correct, prompted as they are in the frame that was looked at last."""
    remove: list[int] = []
    """Objects to follow no longer."""
    encodings: list[Encoding] | None = None
    """How the masks are published from now on."""
    max_fps: float | None = None
    """As in `stream.open`."""
    max_age_ms: int | None = None
    """As in `stream.open`; 0: none is too old."""
    always: bool | None = None
    """As in `stream.open`."""
    options: dict[str, Any] | None = None
    """The model's own options from now on; a stream that tracks keeps those it began with."""


class StreamClose(StreamRequest, kw_only=True, omit_defaults=True, frozen=True, tag="stream.close"):
    """End a stream. Frames that wait are dropped."""


class StreamList(Request, kw_only=True, omit_defaults=True, frozen=True, tag="stream.list"):
    """Ask which streams there are, and how they are doing."""


AnyWork = Segment | Everything | Embed
"""What a model is needed for."""
AnyStreamRequest = StreamOpen | StreamFrame | StreamUpdate | StreamClose | StreamList
AnyRequest = AnyWork | AnyStreamRequest | Release | Lease | Return | Describe | Ping | Stats | Cancel
OPERATIONS: dict[str, type[AnyRequest]] = {
    "segment": Segment,
    "everything": Everything,
    "embed": Embed,
    "release": Release,
    "lease": Lease,
    "return": Return,
    "describe": Describe,
    "ping": Ping,
    "stats": Stats,
    "cancel": Cancel,
    "stream.open": StreamOpen,
    "stream.frame": StreamFrame,
    "stream.update": StreamUpdate,
    "stream.close": StreamClose,
    "stream.list": StreamList,
}
