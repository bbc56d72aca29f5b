"""SAM 2 follows objects through a video that comes frame by frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from maskbus.interfaces import BadPrompt, Image, Prompt, Tracked, Tracker, TrackerOptions, check_tracker_prompt
from maskbus.models.sam2_answer import answer
from maskbus.models.sam2_memory import Memory, Moment, Recall
from maskbus.models.sam2_said import Said
from maskbus.models.sam2_video import Features, Sam2Video, Seen, together


@dataclass(frozen=True)
class Followed:
    """One object."""

    memory: Memory
    """Of the frames before the latest."""
    seen: Seen
    """In the latest frame."""
    said: Said
    """In the latest frame."""
    pointed: bool
    """Whether anything was said in the latest frame."""
    first: bool
    """Whether the latest frame is the first that it is followed in."""
    coarse: Tensor | None = None
    """The latest frame with its memory in mind, kept from its first correction there to the next ones."""

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return self.memory.nbytes + self.seen.nbytes + (0 if self.coarse is None else self.coarse.nbytes)


class Sam2Tracker(Tracker):
    """Follow objects with SAM 2 as the authors' predictor does, and keep no more of the past than it looks at.

    Every object is followed by itself, so their masks may overlap. In `TrackerOptions.extra` it understands:

    - `overlap` (True): whether a pixel may belong to several objects. Where not, it goes to the one with the highest
      logit; what the objects are remembered by stays the same.
    - `keep_corrections` (False): whether frames in which an object is corrected are remembered like the one in which it
      was added (the authors' `add_all_frames_to_correct_as_cond`), the latest `MAX_CONDITIONING` of all these, instead
      of only as long as other frames.
    """

    def __init__(
        self,
        video: Sam2Video,
        options: TrackerOptions,
        encode: Callable[[Image], Features] | None = None,
        batch: int | None = None,
    ) -> None:
        """Begin a video.

        Args:
            video: The model.
            options: How it shall work.
            encode: Image encoder, where it shall be another than the model's own.
            batch: How many objects are worked on in one call. Several are faster on a GPU only: on a CPU it is one
                unless told otherwise, so that a job can be cancelled between objects.

        Raises:
            BadPrompt: An option is not what it must be.
        """
        self._video = video
        self._options = options
        self._encode = encode or video.encode
        self._batch = batch or (1 if video.device.type == "cpu" else 8)
        self._overlap = _flag(options.extra, "overlap", True)
        self._keep_corrections = _flag(options.extra, "keep_corrections", False)
        self._frame = -1
        self._size: tuple[int, int] | None = None
        self._image: Image | None = None
        self._features: Features | None = None
        self._objects: dict[int, Followed] = {}

    @property
    def frame(self) -> int:
        """Number of the latest frame; -1 before the first."""
        return self._frame

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that are followed, in the order in which they were added."""
        return tuple(self._objects)

    @property
    def nbytes(self) -> int:
        """Bytes held: the latest frame and what is remembered of each object."""
        pixels = 0 if self._image is None else self._image.pixels.nbytes
        features = 0 if self._features is None else self._features.nbytes
        return pixels + features + sum(followed.nbytes for followed in self._objects.values())

    @torch.inference_mode()
    def advance(self, image: Image, job: Any) -> Tracked:
        """Take the next frame, and tell where the objects are in it."""
        size = (image.height, image.width)
        if self._size not in (None, size):
            raise BadPrompt(
                f"The frame is {size[1]} by {size[0]} pixels, but this video began with {self._size[1]} by "
                f"{self._size[0]}; begin another tracker for frames of another size."
            )
        job.check()
        frame, objects, features, kept = self._frame + 1, self._objects, None, None
        if objects:
            memories = self._remember(job)
            features = self._encode(image)
            job.check()
            recalls = {object_id: memory.recall(frame) for object_id, memory in memories.items()}
            seen = self._look(features, recalls, job)
            objects = {
                object_id: Followed(memories[object_id], seen[object_id], Said.nothing(), pointed=False, first=False)
                for object_id in objects
            }
        else:
            # Nothing looks at this frame unless somebody points at something in it. The pixels are not ours to keep.
            kept = Image(image.pixels.copy(), image.order)
        tracked = self._tell(frame, size, objects, job)
        self._frame, self._size, self._image = frame, size, kept
        self._features, self._objects = features, objects
        return tracked

    @torch.inference_mode()
    def prompt(self, object_id: int, prompt: Prompt, job: Any) -> Tracked:
        """Add an object at the latest frame, or correct one there; tell where all objects are in it."""
        if self._size is None:
            raise BadPrompt("There is no frame yet; send the first before pointing at something in it.")
        known = self._objects.get(object_id)
        if object_id < 0:
            raise BadPrompt(f"{object_id} cannot be the id of an object; ids begin at 0.")
        if known is None and len(self._objects) >= self._options.max_objects:
            raise BadPrompt(
                f"This tracker follows {self._options.max_objects} objects at most; remove one before adding another."
            )
        check_tracker_prompt(prompt, *self._size, known=known is not None)
        job.check()
        if self._features is None:
            assert self._image is not None
            self._features, self._image = self._encode(self._image), None
            job.check()
        followed = self._point(known, prompt, self._features)
        objects = {**self._objects, object_id: followed}
        tracked = self._tell(self._frame, self._size, objects, job)
        self._objects = objects
        return tracked

    def remove(self, object_id: int) -> None:
        """Follow an object no longer."""
        if object_id not in self._objects:
            raise BadPrompt(f"There is no object {object_id} to remove; these are followed: {list(self._objects)}.")
        del self._objects[object_id]

    def close(self) -> None:
        """Give everything back."""
        self._objects, self._features, self._image = {}, None, None

    def _tell(self, frame: int, size: tuple[int, int], objects: Mapping[int, Followed], job: Any) -> Tracked:
        seen = {object_id: followed.seen for object_id, followed in objects.items()}
        return answer(frame, size, seen, self._overlap, self._options.logits, job)

    def _point(self, known: Followed | None, prompt: Prompt, features: Features) -> Followed:
        """Follow or correct an object by what is said now."""
        assert self._size is not None
        if known is None:
            config = self._video.config
            memory = Memory(config.num_maskmem - 1, config.max_object_pointers_in_encoder - 1)
            said, first, previous, coarse = Said.nothing(), True, None, None
        else:
            memory, said, first, coarse = known.memory, known.said, known.first, known.coarse
            # As the authors do it, against overflow in the prompt encoder.
            previous = known.seen.logits[:, None].clamp(-32, 32)
        said = said.plus(prompt, *self._size, self._video.size)
        if prompt.mask is not None:
            seen = self._video.take(features, torch.from_numpy(prompt.mask))
        else:
            if coarse is None and not first:
                coarse = self._video.with_memory(features, [memory.recall(self._frame)])
            seen = self._video.decode(
                features,
                self._video.without_memory(features) if coarse is None else coarse,
                said.points[None].to(self._video.device),
                said.labels[None].to(self._video.device),
                previous,
                multimask=self._video.uses_multimask(len(said.labels), first),
            )
        return Followed(memory, seen, said, pointed=True, first=first, coarse=coarse)

    def _remember(self, job: Any) -> dict[int, Memory]:
        """Return each object's memory with the latest frame in it."""
        assert self._features is not None
        memories = {}
        for ids in self._chunks(list(self._objects)):
            several = [self._objects[object_id] for object_id in ids]
            pointed = torch.tensor([followed.pointed for followed in several], device=self._video.device)
            seen = together([followed.seen for followed in several])
            pictures = self._video.remember(self._features, seen, pointed)
            for object_id, followed, picture in zip(ids, several, pictures, strict=True):
                moment = Moment(followed.seen.pointer[0], picture.clone())
                shown = followed.first or (followed.pointed and self._keep_corrections)
                memories[object_id] = followed.memory.plus(self._frame, moment, shown)
            job.check()
        return memories

    def _look(self, features: Features, recalls: Mapping[int, Recall], job: Any) -> dict[int, Seen]:
        """Find each object in a frame."""
        alike = defaultdict(list)
        for object_id, recall in recalls.items():
            alike[recall.shape].append(object_id)
        found = {}
        for ids in (chunk for group in alike.values() for chunk in self._chunks(group)):
            coarse = self._video.with_memory(features, [recalls[object_id] for object_id in ids])
            job.check()
            seen = self._video.decode(features, coarse, multimask=self._video.uses_multimask(0, first=False))
            found.update({object_id: seen.one(n) for n, object_id in enumerate(ids)})
            job.check()
        return found

    def _chunks(self, ids: list[int]) -> list[list[int]]:
        return [ids[start : start + self._batch] for start in range(0, len(ids), self._batch)]


def _flag(options: Mapping[str, Any], name: str, default: bool) -> bool:
    value = options.get(name, default)
    if not isinstance(value, bool):
        raise BadPrompt(f"The option {name} is true or false, not {value!r}.")
    return value
