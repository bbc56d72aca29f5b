"""What can be asked of a node, each as a flow: written once, run by the blocking client and by the asyncio one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from msgspec.structs import replace

from maskbus_client import prompt_input, stream_calls
from maskbus_client.arguments import LANES, Lane, check, check_type, encodings_of, model_of, take_image
from maskbus_client.core import Incoming, Peer, check_deadline, converse, expect
from maskbus_client.errors import BY_CODE, UnknownImage
from maskbus_client.everything import everything
from maskbus_client.handle import KeptImage
from maskbus_client.image_input import ImageSource, PreparedImage
from maskbus_client.link import new_id
from maskbus_client.option_input import post_of, route_of, side_of, text_options_of
from maskbus_client.results import Result
from maskbus_client.steps import Flow
from maskbus_wire import replies, requests
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer
from maskbus_wire.prompt_checks import check_inside

if TYPE_CHECKING:
    from maskbus_client.image_input import Color, Sendable
    from maskbus_client.option_input import PostLike, RouteLike, TextOptionsLike
    from maskbus_client.prompt_input import Labels, LogitsLike, MaskLike, Numbers
    from maskbus_client.shared_memory import Memory
    from maskbus_client.shared_pool import Pool
    from maskbus_client.stream_sender import FrameSender


class Operations:
    """Hold the flows of every operation; `Client` and `AsyncClient` run them."""

    def __init__(self, peer: Peer, *, shared_memory: bool = False) -> None:
        """Begin.

        Args:
            peer: What the calls of the client share.
            shared_memory: Whether images go through shared memory without being asked to.
        """
        self.peer = peer
        self.pool: Pool | None = None
        """Shared memory for all images."""
        self.memories: WeakSet[Memory] = WeakSet()
        """Shared memory that callers asked for."""
        self.senders: WeakSet[FrameSender] = WeakSet()
        """Streams that are open here."""
        if shared_memory:
            from maskbus_client.shared_pool import Pool

            self.pool = Pool(peer)

    def segment(
        self,
        image: Sendable | KeptImage,
        *,
        points: Numbers | None = None,
        labels: Labels | None = None,
        box: Numbers | None = None,
        boxes: Numbers | None = None,
        mask: MaskLike | None = None,
        logits: LogitsLike | None = None,
        text: str | Sequence[str] | None = None,
        negative_text: str | Sequence[str] | None = None,
        text_options: TextOptionsLike | None = None,
        model: str = "",
        route: RouteLike | None = None,
        encoding: str | Sequence[str] = "rle",
        multimask: bool = False,
        publish: str | None = None,
        keep: bool = False,
        fresh: bool = False,
        max_side: int = 0,
        post: PostLike | None = None,
        lane: Lane = "interactive",
        deadline: float | None = None,
        stamp: int | None = None,
        frame_id: str | None = None,
        stream: str | None = None,
        seq: int | None = None,
        options: Mapping[str, Any] | None = None,
        inline: bool = False,
        color: Color = "rgb",
        id: str | None = None,
    ) -> Flow[Result]:
        """Ask for the masks a prompt points at. Without a prompt: everything, or what the model makes of it.

        Coordinates are pixels of the image as sent: x to the right, y down, the image covers 0…width × 0…height. An
        array that is sent must not be changed until the answer is there: its memory is sent as it lies.

        Args:
            image: A numpy array, uint8 (H, W), (H, W, 1 or 3 or 4) or bool (H, W), any strides; a PIL image; the path,
                or the bytes, of a JPEG, PNG or WebP file, which goes out as it is; a handle from `image`; or an image
                in shared memory.
            points: One (x, y), or several.
            labels: 1 = object, 0 = background, one a point. Left out: all are object.
            box: x0, y0, x1, y1 with x0 < x1 and y0 < y1, or several such rows.
            boxes: The same. Several boxes are several objects, and go without points.
            mask: A mask to refine, bool (H, W), or a mask of an earlier result.
            logits: Logits to refine, float32 (h, w) at the model's resolution, or an earlier mask that holds them.
            text: What to look for, one or several.
            negative_text: What not to take for it.
            text_options: How masks are chosen by `text`, a `TextOptions` or a dict such as `{"select": "cosine"}`; left
                out: as the model is configured.
            model: Name of the model, or of one of the node's routes, such as "auto"; empty: the node's default, or with
                a handle the model it was made for.
            route: Models to try one after the other until one answers well enough, by name; or a `Route`, or a dict.
            encoding: How the masks come back, one or several of "rle", "bits", "bits+zlib", "png", "png_base64",
                "polygon", "raw", "labels", "logits", "overlay"; empty: boxes, areas and scores only.
            multimask: Whether several hypotheses for one prompt are wanted.
            publish: Topic the masks are published under as well.
            keep: Whether the node keeps the image and answers an `image_id`.
            fresh: Whether the answer must be computed, though the node may have the same one already.
            max_side: The model is shown the image with its longer side at most this long; 0: as it is. Prompts and
                masks are in pixels of the image as sent all the same.
            post: What is done to the masks, a `PostProcessing` or a dict such as `{"fill_holes": 100, "smooth": 2}`;
                left out: what the node's configuration says.
            lane: Which queue.
            deadline: Seconds until the answer is worth nothing, all tries together; left out: the client's.
            stamp: Time of the image in nanoseconds since the epoch; this and the next three go through untouched.
            frame_id: Coordinate frame of the image, as in ROS.
            stream: Name of the stream the image is from.
            seq: Number of the image in its stream.
            options: The model's own options.
            inline: Whether bytes of the reply stand in its header instead of in attachments.
            color: What 3 and 4 channels of a numpy array mean, "rgb" or "bgr".
            id: Id of the request, to `cancel` it from elsewhere; left out: a random one.

        Raises:
            TypeError, ValueError: for arguments that cannot be right, before anything is sent.
            OSError: if an image file cannot be read.
            NodeError: what the node answered; DeadlineExceeded, UnknownModel, Busy and so on.
            NodeUnreachable: if nobody answered at all.
            ProtocolError: if the answer breaks the wire contract.
            ClientClosed: if the client is closed, or was meanwhile.
        """
        kept, sent = take_image(image, color)
        prompt = prompt_input.NOTHING
        if any(given is not None for given in (points, labels, box, boxes, mask, logits, text, negative_text)):
            prompt = prompt_input.prepare(
                points=points,
                labels=labels,
                box=box,
                boxes=boxes,
                mask=mask,
                logits=logits,
                text=text,
                negative_text=negative_text,
                size=sent.size,
                first_attachment=len(sent.attachments),
            )
        wanted = route_of(route)
        request = requests.Segment(
            id=new_id() if id is None else id,
            image=sent.image,
            prompt=prompt.prompt,
            text_options=text_options_of(text_options),
            encodings=encodings_of(encoding),
            model=model_of(model, kept, wanted, prompt.prompt.text),
            route=wanted,
            multimask=multimask,
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
            options=dict(options or {}),
        )
        attachments = [*sent.attachments, *prompt.attachments]
        total = self.peer.policy.deadline if deadline is None else check_deadline(deadline)
        incoming = yield from self.ask_masks(image, sent, request, attachments, total)
        return Result(expect(incoming, replies.Masks), incoming.attachments, sent.picture, incoming.shared)

    everything = everything
    stream = stream_calls.open_stream
    streams = stream_calls.list_streams
    close_stream = stream_calls.close_stream
    update_stream = stream_calls.update_stream
    add_to_stream = stream_calls.add_to_stream
    remove_from_stream = stream_calls.remove_from_stream
    describe_stream = stream_calls.describe_stream

    def ask_masks(
        self,
        image: Sendable | KeptImage,
        sent: PreparedImage,
        request: requests.Segment | requests.Everything,
        attachments: list[Buffer],
        deadline: float,
        progress: Callable[[replies.Progress], None] | None = None,
    ) -> Flow[Incoming]:
        """Send a request for masks; a kept image that the node has lost is sent again, once.

        Args:
            image: As the caller gave it.
            sent: As it goes out.
            request: With all else.
            attachments: Bytes that go with it.
            deadline: Seconds for all of it.
            progress: As `core.converse`.
        """
        _check(request, attachments, sent)
        begin = self.peer.clock()
        copy = sent.borrowed and self._is_inproc and (request.keep or request.publish is not None)
        source = image if isinstance(image, ImageSource) else None
        try:
            return (
                yield from self._converse(
                    request, attachments, deadline=deadline, copy=copy, image=source, progress=progress
                )
            )
        except UnknownImage:
            if not isinstance(image, KeptImage):
                raise
            # Evicted, or the node is a new one: send the pixels again, once, and keep the handle.
            yield from self._embed(image, self._left(begin, deadline), request.lane)
            again = replace(request, image=image.reference().image)
            left = self._left(begin, deadline)
            return (yield from self._converse(again, attachments, deadline=left, progress=progress))

    def ping(self, *, deadline: float | None = None) -> Flow[replies.Pong]:
        """Ask whether the node is there, which run of it, and where its endpoints are. Errors as `segment`."""
        return expect((yield from self.ask(requests.Ping(id=new_id()), deadline)), replies.Pong)

    def describe(self, *, deadline: float | None = None) -> Flow[replies.Models]:
        """Ask which models the node offers, which image encodings it reads, and its limits. Errors as `segment`."""
        return expect((yield from self.ask(requests.Describe(id=new_id()), deadline)), replies.Models)

    def stats(self, *, deadline: float | None = None) -> Flow[replies.Statistics]:
        """Ask how the node is doing: queues, rates, workers, topics, memory. Errors as `segment`."""
        return expect((yield from self.ask(requests.Stats(id=new_id()), deadline)), replies.Statistics)

    def cancel(self, target: str | Result, *, deadline: float | None = None) -> Flow[int]:
        """Take back a request that has not been answered; whoever waits for it gets `Cancelled`.

        Args:
            target: The `id` that was given to `segment`, or anything that has an `id`.
            deadline: Seconds.

        Returns:
            How many requests were cancelled: 0 where the node has nothing of that id waiting or running.

        Raises:
            ValueError: for an empty id. Else as `segment`. Unlike the others, this operation is sent only once.
        """
        name = target if isinstance(target, str) else target.id
        if not name:
            raise ValueError("Name the request to cancel by its id.")
        if name in self.peer.cancelled:
            # It may be between two tries, where the node knows nothing of it.
            self.peer.cancelled[name] = True
        incoming = yield from self.ask(requests.Cancel(id=new_id(), target=name), deadline)
        return expect(incoming, replies.Cancelled).cancelled

    @property
    def _is_inproc(self) -> bool:
        return self.peer.endpoint.startswith("inproc:")

    def _left(self, begin: float, total: float) -> float:
        return max(0.001, total - (self.peer.clock() - begin))

    def ask(
        self, request: requests.AnyRequest, deadline: float | None = None, attachments: Sequence[Buffer] = ()
    ) -> Flow[Incoming]:
        """Send a request that needs no worker of its own, and end in its answer."""
        seconds = None if deadline is None else check_deadline(deadline)
        return (yield from converse(self.peer, request, attachments, deadline=seconds))

    def share(self, memory: Memory) -> Flow[None]:
        """Lease shared memory, to be given back with `shut` at the latest."""
        yield from memory.open()
        self.memories.add(memory)

    def shut(self) -> Flow[None]:
        """Give all shared memory back."""
        for memory in list(self.memories):
            yield from memory.shut()
        if self.pool is not None:
            yield from self.pool.shut()
        for sender in list(self.senders):
            yield from sender.shut()

    def _converse(
        self,
        request: requests.AnyWork,
        attachments: list[Buffer],
        *,
        deadline: float,
        copy: bool = False,
        image: ImageSource | None = None,
        progress: Callable[[replies.Progress], None] | None = None,
    ) -> Flow[Incoming]:
        if image is None and self.pool is None:
            return (
                yield from converse(self.peer, request, attachments, deadline=deadline, copy=copy, progress=progress)
            )
        from maskbus_client import shared_request

        return (
            yield from shared_request.converse(
                self.peer,
                request,
                attachments,
                deadline=deadline,
                copy=copy,
                image=image,
                pool=self.pool,
                progress=progress,
            )
        )

    def keep(self, kept: KeptImage, deadline: float | None, lane: Lane, route: RouteLike | None = None) -> Flow[None]:
        """Have the node keep an image, and note in the handle how it calls it."""
        total = self.peer.policy.deadline if deadline is None else check_deadline(deadline)
        yield from self._embed(kept, total, lane, route_of(route))

    def _embed(self, kept: KeptImage, deadline: float, lane: Lane, route: requests.Route | None = None) -> Flow[None]:
        pixels = kept.pixels
        request = requests.Embed(id=new_id(), image=pixels.image, model=kept.model, route=route, lane=lane)
        _check(request, pixels.attachments, pixels)
        incoming = yield from self._converse(request, pixels.attachments, deadline=deadline)
        kept.held(expect(incoming, replies.Embedded))

    def release(self, image: KeptImage, *, deadline: float | None = None) -> Flow[None]:
        """Let the node forget the image.

        A handle that has been released segments no more; a second release does nothing. Errors as `segment`.
        """
        image_id = image.let_go()
        if image_id is None:
            return
        try:
            yield from self.ask(requests.Release(id=new_id(), image_id=image_id), deadline)
        except UnknownImage:
            return  # gone already, which is what was wanted


def show_signature(
    method: Callable[..., Any], flow: Callable[..., Any], *, without: str = "", returns: str = ""
) -> None:
    """Give a method made of a flow the signature that `help` should show: what it returns, not a Flow of that."""
    signature = inspect.signature(flow)
    kind = returns or str(signature.return_annotation).removeprefix("Flow[").removesuffix("]")
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != without]
    method.__dict__["__signature__"] = signature.replace(parameters=parameters, return_annotation=kind)


def _check(request: requests.AnyWork, attachments: Sequence[Buffer], sent: PreparedImage) -> None:
    """Raise for what the node would not take, while the caller's own line is still on the stack."""
    check_type("model", request.model, str)
    check_type("id", request.id, str)
    check_type("frame_id", request.frame_id, str)
    check_type("stream", request.stream, str)
    check_type("stamp", request.stamp, int)
    check_type("seq", request.seq, int)
    if isinstance(request, requests.MaskWork):
        check_type("publish", request.publish, str)
    if request.lane not in LANES:
        raise ValueError(f"lane is one of {', '.join(LANES)}, not {request.lane!r}.")
    if not request.id:
        raise ValueError("id must not be empty: leave it out to have one chosen.")
    check(request, len(attachments))
    try:
        if isinstance(request, requests.Segment) and sent.size is not None:
            check_inside(request.prompt, sent.size[1], sent.size[0])
    except WireError as error:
        raise BY_CODE[error.code](error.message, path=error.path, request_id=request.id) from None
