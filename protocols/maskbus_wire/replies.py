"""What a node answers and publishes: one struct an operation, one table in SPEC.md each."""

from __future__ import annotations

from typing import Literal

import msgspec

from maskbus_wire.prompts import Blob, Image, Slot
from maskbus_wire.version import VERSION


class Reply(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="reply"):
    """What every reply holds."""

    maskbus: str = msgspec.field(default=VERSION)
    """Version of the wire, "major.minor"."""
    id: str = ""
    """`id` of the request."""


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A model of a route that has not answered, or not well enough."""

    model: str
    """The model."""
    code: str
    """Why: an error code, `nothing_found`, or `left_out` where it has failed too often of late."""
    message: str
    """The same as a sentence for a human."""
    ms: float = 0.0
    """How long it was tried, in milliseconds."""


class Error(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="error"):
    """Say that a request failed, and why."""

    code: str
    """One of the closed list of error codes."""
    message: str
    """One sentence for a human."""
    path: str = ""
    """Path of the field that is wrong, such as `prompt.points[3]`; empty where it is the whole message."""
    queue_length: int | None = None
    """With `busy`: how many requests wait."""
    versions: list[str] | None = None
    """With `unsupported_version`: those that are spoken."""
    tried: list[Attempt] = []
    """Where a route was asked: each of its models, and why it has not answered."""
    stamp: int | None = None
    """As the request had it."""
    frame_id: str | None = None
    """As the request had it."""
    stream: str | None = None
    """As the request had it."""
    seq: int | None = None
    """As the request had it."""


class Rle(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """COCO compressed RLE, as pycocotools reads it."""

    size: tuple[int, int]
    """Height and width."""
    counts: str
    """The runs, column by column."""


class Tensor(Blob, kw_only=True, omit_defaults=True, frozen=True):
    """An array: its bytes (as in `Blob`), little endian, row by row."""

    shape: list[int]
    """Extent of each axis."""
    dtype: Literal["float32", "uint8", "uint16"]
    """Type of one element."""


class Mask(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One mask. Of the fields from `rle` to `logits` those are set whose encoding was asked for."""

    bbox: tuple[int, int, int, int]
    """x, y, width, height in pixels, as COCO; all 0 for an empty mask."""
    area: int
    """Pixels of the mask."""
    predicted_iou: float
    """The model's own estimate of its IoU with the truth, 0…1."""
    stability_score: float
    """How little the mask changes with its threshold, 0…1."""
    label: str | None = None
    """The text this mask answers to."""
    similarity: float | None = None
    """How well it answers to it: the cosine of the angle between what the model makes of both, -1…1."""
    probability: float | None = None
    """How likely it is, among all masks that were looked at, to be the one that is meant, 0…1."""
    point: tuple[float, float] | None = None
    """In everything mode: x, y of the point that found it, as in a prompt."""
    crop_box: tuple[int, int, int, int] | None = None
    """In everything mode: x, y, width, height of the part of the image that it was found in."""
    object_id: int | None = None
    """In a stream that tracks: which object this is."""
    present: bool | None = None
    """In a stream that tracks: whether the model believes that the object can be seen; false: it has lost it."""
    rle: Rle | None = None
    """COCO compressed RLE."""
    bits: Blob | None = None
    """One bit a pixel, most significant first, each row padded to whole bytes."""
    bits_zlib: Blob | None = msgspec.field(default=None, name="bits+zlib")
    """`bits`, compressed as a zlib stream."""
    png: Blob | None = None
    """PNG, grey, 0 and 255."""
    png_base64: str | None = None
    """`png` as Base64 text."""
    polygon: list[list[float]] | None = None
    """Rings as COCO: x0, y0, x1, y1, …; pixel (column 0, row 0) covers 0…1 × 0…1."""
    raw: Blob | None = None
    """One byte a pixel, 0 or 255, row by row."""
    logits: Tensor | None = None
    """float32 (h, w) at the model's own resolution; positive is object."""


class Timings(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Where the time went, in milliseconds."""

    queued_ms: float = 0.0
    """From the node's receipt to the worker's start."""
    decode_image_ms: float = 0.0
    """Taking the pixels out of jpeg, png or webp."""
    embed_ms: float = 0.0
    """The image stage; 0 where the embedding was there already."""
    decode_ms: float = 0.0
    """The prompt stage."""
    encode_ms: float = 0.0
    """Writing the masks in the encodings asked for."""
    total_ms: float = 0.0
    """From the node's receipt until the worker sent the reply off."""


class Answer(Reply, kw_only=True, omit_defaults=True, frozen=True):
    """What the replies that come from a model share."""

    model: str
    """Name of the model that answered."""
    width: int
    """Width of the image in pixels."""
    height: int
    """Height of the image in pixels."""
    image_id: str | None = None
    """Reference to the image where the node keeps it."""
    cached: bool = False
    """Whether the embedding was there already."""
    timings: Timings = Timings()
    """Where the time went."""
    stamp: int | None = None
    """As the request had it."""
    frame_id: str | None = None
    """As the request had it."""
    stream: str | None = None
    """As the request had it."""
    seq: int | None = None
    """As the request had it."""
    notes: list[str] = []
    """What was done otherwise than asked, a sentence each, for a human."""
    tried: list[Attempt] = []
    """Where a route was asked: the models that were to answer before this one, and why they have not."""
    reused: bool = False
    """Whether the node had this answer already; `timings` are of this request, and only `total_ms` is set."""


class StreamCounts(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What became of a stream's frames. What was received is answered, dropped, or still with the node."""

    received: int = 0
    """Frames that the node got."""
    answered: int = 0
    """Frames whose masks were published."""
    dropped: dict[str, int] = {}
    """Frames that were not, by cause."""


class TextScore(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How one text of a prompt has fared."""

    text: str
    """The text."""
    masks: int
    """How many masks answer to it, before they are combined."""
    proposals: int
    """How many masks were looked at."""
    similarity: float | None = None
    """The best similarity of any of them, chosen or not; left out where nothing was looked at."""
    probability: float | None = None
    """The best probability of any of them."""


class Masks(Answer, kw_only=True, omit_defaults=True, frozen=True, tag="segment"):
    """The masks."""

    masks: list[Mask]
    """One entry a mask."""
    encodings: list[str] = []
    """The encodings this message holds."""
    labels: Tensor | None = None
    """uint8 or uint16 (H, W): 0 is background, i + 1 is masks[i]; small masks lie over large ones."""
    overlay: Blob | None = None
    """The image with the masks painted over it, PNG."""
    result: Slot | None = None
    """Slot of shared memory that bytes of this reply are in, with the generation they have; as the request wanted."""
    topic: str | None = None
    """On published messages: the topic that was asked for."""
    published: int | None = None
    """On published messages: a number that no other message of this run of the node has."""
    retained: bool = False
    """On published messages: whether this is the topic's last value, sent again for a late joiner."""
    counts: StreamCounts | None = None
    """On results of a stream: what had become of its frames when this one's turn came."""
    scores: list[TextScore] = []
    """Where the prompt has `text`: one entry a text, also where nothing was found."""


class FoundMasks(Masks, kw_only=True, omit_defaults=True, frozen=True, tag="everything"):
    """All objects of the image, the largest first. What is published of them is a `Masks`."""


class Progress(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="progress"):
    """Tell how far a request is. Not its answer, which comes later; only where the request said `progress`."""

    done: int
    """Points that have been decoded."""
    total: int
    """Points in all."""
    found: int
    """Candidates found so far, duplicates among them."""
    masks: list[Mask] = []
    """The candidates found since the last progress, as `rle`. The answer may hold any of them or none."""


class Embedded(Answer, kw_only=True, omit_defaults=True, frozen=True, tag="embed"):
    """The image is kept and its embedding is there."""

    embedding_bytes: int = 0
    """What the embedding holds in the worker's cache."""


class Released(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="release"):
    """The image has been let go."""


class Leased(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="lease"):
    """The shared memory is there."""

    lease: str
    """Name of the lease, unguessable."""
    path: str
    """Absolute path of the file."""
    bytes: int
    """Its size."""
    generation: int
    """The file's generation, as its header says."""


class Returned(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="return"):
    """The shared memory has been taken back."""


class Cancelled(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="cancel"):
    """How many requests were cancelled; each of them is answered with the error `cancelled`."""

    cancelled: int
    """0 where nothing of that `id` was waiting or running."""


class Pong(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="ping"):
    """The node is there."""

    node: str
    """Random name of this run of the node: another one means that it was restarted."""
    version: str
    """Version of the node's software."""
    uptime_s: float
    """Seconds since it started."""
    endpoints: list[str]
    """Where requests can be sent."""
    publish_endpoints: list[str]
    """Where topics can be subscribed to."""


class Model(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One model the node offers."""

    name: str
    """What `model` in a request calls it."""
    title: str
    """One line for a human."""
    prompts: list[str]
    """Kinds of prompt it takes: points, boxes, mask, logits, text, none."""
    encodings: list[str]
    """Encodings its masks can come in."""
    licence: str
    """SPDX expression of the code and weights it runs with."""
    weights: str
    """"none needed", "present", "missing", or "unverified": present, but no checksum is published."""
    ready: bool
    """Whether it can run here."""
    missing: str = ""
    """What it still needs, one sentence; empty when ready."""
    multimask: bool = False
    """Whether it can offer several hypotheses."""
    everything: bool = False
    """Whether it can find everything."""
    tracks: bool = False
    """Whether it can follow objects through a video."""
    device: str = "cpu"
    """Where it runs."""
    default: bool = False
    """Whether it answers requests that name no model."""
    default_for_text: bool = False
    """Whether it answers requests that name no model and have a text."""


class RouteInfo(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One route the node offers."""

    name: str
    """What `model` in a request calls it."""
    models: list[str]
    """The models, in the order in which they are tried; some may not be ready, or not be offered at all."""
    min_predicted_iou: float
    """As in `Route`."""
    share: float | None = None
    """As in `Route`; left out: what is left is shared out evenly among the models that are still to be tried."""


class Models(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="describe"):
    """What the node offers."""

    models: list[Model]
    """The models."""
    image_encodings: list[str]
    """Encodings an image may come in."""
    limits: dict[str, int]
    """The node's limits, named as in SPEC.md."""
    routes: list[RouteInfo] = []
    """The routes."""


class ModelStats(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How one model is doing."""

    name: str
    """The model."""
    queued: dict[str, int] = {}
    """Requests that wait, by lane."""
    running: int = 0
    """Requests a worker has."""
    answered: int = 0
    """Requests answered with a result since the start."""
    errors: dict[str, int] = {}
    """Requests answered with an error since the start, by code."""
    rate: float = 0.0
    """Answers a second over the last ten seconds."""
    p50_ms: float = 0.0
    """Median of `total_ms` over the last 512 answers."""
    p99_ms: float = 0.0
    """99th percentile of the same."""
    left_out_s: float = 0.0
    """Seconds for which routes still leave it out, because it has failed too often; 0: they do not."""


class CacheStats(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How the cache of answers is doing."""

    store: str
    """Where answers are kept: none, memory or redis."""
    hits: int = 0
    """Requests that were answered from it."""
    misses: int = 0
    """Requests whose answer was not there."""
    stored: int = 0
    """Answers that were put there."""
    evictions: int = 0
    """Answers that went for want of room or because of their age. With redis that is its own affair: 0."""
    errors: int = 0
    """How often the store could not be asked, or not in time."""
    entries: int = 0
    """Answers that are there. With redis: 0."""
    bytes: int = 0
    """What they take. With redis: what this node has put there since its start."""


class WorkerStats(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How one worker is doing."""

    model: str
    """What it runs."""
    device: str
    """Where."""
    state: str
    """starting, ready, busy, backing-off or stopped."""
    pid: int = 0
    """Its process; 0 when there is none."""
    restarts: int = 0
    """How often it has been started again."""
    rss_bytes: int = 0
    """Its resident memory, by its own last heartbeat."""
    cache_bytes: int = 0
    """What its cache of embeddings holds."""
    cache_entries: int = 0
    """How many embeddings."""
    cache_hits: int = 0
    """Prompts whose embedding was there."""
    cache_misses: int = 0
    """Prompts whose embedding had to be computed."""
    cache_evictions: int = 0
    """Embeddings dropped for want of room or because of their age."""
    last_error: str = ""
    """Why it ended last, one sentence."""


class TopicStats(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How one topic is doing."""

    topic: str
    """The topic, with its encoding prefix where a subscriber chose one."""
    published: int = 0
    """Messages sent."""


class Statistics(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stats"):
    """How the node is doing."""

    node: str
    """As in `ping`."""
    version: str
    """As in `ping`."""
    uptime_s: float
    """As in `ping`."""
    models: list[ModelStats]
    """One entry a model that has been asked for."""
    workers: list[WorkerStats]
    """One entry a worker."""
    topics: list[TopicStats] = []
    """One entry a topic that has been published."""
    images: int = 0
    """Images kept."""
    shm_bytes: int = 0
    """Shared memory reserved for images."""
    shm_used_bytes: int = 0
    """Of that, in use now."""
    leases: int = 0
    """Files of shared memory that clients hold."""
    leased_bytes: int = 0
    """Bytes of these."""
    cache: CacheStats | None = None
    """The cache of answers."""
    rss_bytes: int = 0
    """Resident memory of the node's own process."""
    received: int = 0
    """Messages received."""
    rejected: int = 0
    """Messages that were answered with an error at once, `busy` among them."""
    unanswerable: int = 0
    """Replies that could not be delivered: the peer was gone or did not read."""


class StreamOpened(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stream.open"):
    """The stream is there."""

    stream: str
    """Its name."""
    model: str
    """Name of the model."""
    topic: str
    """Topic of its results."""
    frames_topic: str
    """Topic of its frames."""
    resumed: bool = False
    """Whether there was a stream of this name, which this one has taken the place of."""
    limit: int | None = None
    """With `every`: so many frames may be sent from now on, until a `stream.credit` says more."""


class StreamFrameTaken(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stream.frame"):
    """The node has the frame. What becomes of it is told by the results."""

    stream: str
    """Its stream."""
    seq: int | None = None
    """As the request had it."""
    limit: int | None = None
    """As in `stream.credit`."""


class StreamCredit(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stream.credit"):
    """Tell a producer that it may send more. No answer to a request: it comes when frames are done with."""

    stream: str
    """The stream."""
    limit: int
    """So many frames may have been sent, all in all since `stream.open`."""


class StreamUpdated(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stream.update"):
    """The stream has been changed."""

    stream: str
    """Its name."""
    seq: int | None = None
    """With objects: `seq` of the frame they were prompted at; left out: that will be the next, or it had none."""


class StreamClosed(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stream.close"):
    """The stream has ended."""

    stream: str
    """Its name."""
    counts: StreamCounts
    """What became of its frames."""


class StreamInfo(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How one stream is doing."""

    stream: str
    """Its name."""
    model: str
    """Name of the model."""
    topic: str
    """Topic of its results."""
    policy: str
    """newest, every or sample."""
    track: bool = False
    """Whether objects are followed."""
    object_ids: list[int] = []
    """Objects that were followed in the last result."""
    width: int = 0
    """Width in pixels of the frame that was looked at last; 0 before the first."""
    height: int = 0
    """Height of the same."""
    counts: StreamCounts = StreamCounts()
    """What became of its frames."""
    under_way: int = 0
    """Frames that wait or are being looked at."""
    watched: bool = False
    """Whether anybody subscribes to its results."""
    rate_in: float = 0.0
    """Frames received a second, over the last five seconds."""
    rate_out: float = 0.0
    """Results published a second, over the same."""
    p50_ms: float = 0.0
    """Median of the time from a frame's receipt to its result, milliseconds, over the last 256 results."""
    p99_ms: float = 0.0
    """99th percentile of the same."""
    idle_s: float = 0.0
    """Seconds since its last frame."""
    last_error: str = ""
    """Why a frame failed last, one sentence."""


class Streams(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="stream.list"):
    """The streams that are open."""

    streams: list[StreamInfo]
    """In the order of their names."""


class PublishedFrame(Reply, kw_only=True, omit_defaults=True, frozen=True, tag="frame"):
    """A frame of a stream, as the node received it, for those who subscribe to it."""

    stream: str
    """The stream."""
    topic: str
    """`frames/` and the stream's name."""
    image: Image
    """The frame; its bytes are an attachment."""
    stamp: int | None = None
    """As the producer had it."""
    frame_id: str | None = None
    """As the producer had it."""
    seq: int | None = None
    """As the producer had it."""


AnyReply = (
    Error
    | Masks
    | FoundMasks
    | Progress
    | Embedded
    | Released
    | Leased
    | Returned
    | Cancelled
    | Pong
    | Models
    | Statistics
    | StreamOpened
    | StreamFrameTaken
    | StreamCredit
    | StreamUpdated
    | StreamClosed
    | Streams
    | PublishedFrame
)
REPLIES: dict[str, type[AnyReply]] = {
    "error": Error,
    "segment": Masks,
    "everything": FoundMasks,
    "progress": Progress,
    "embed": Embedded,
    "release": Released,
    "lease": Leased,
    "return": Returned,
    "cancel": Cancelled,
    "ping": Pong,
    "describe": Models,
    "stats": Statistics,
    "stream.open": StreamOpened,
    "stream.frame": StreamFrameTaken,
    "stream.credit": StreamCredit,
    "stream.update": StreamUpdated,
    "stream.close": StreamClosed,
    "stream.list": Streams,
    "frame": PublishedFrame,
}
