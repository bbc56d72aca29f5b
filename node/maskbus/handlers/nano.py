"""A small promptable network that comes with the package: no download, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import (
    Availability,
    BadPrompt,
    Candidates,
    DecodeOptions,
    Embedding,
    EverythingSettings,
    GridDecoder,
    Handler,
    Image,
    Job,
    LoadContext,
    Masks,
    ModelInfo,
    ModelUnavailable,
    Prompt,
    Tracker,
    TrackerOptions,
    UnsupportedPrompt,
)

if TYPE_CHECKING:
    from maskbus.models.nano_picture import NanoPicture

FloatArray = npt.NDArray[np.float32]
_OPTIONS = frozenset({"runtime"})


class NanoHandler(Handler, GridDecoder):
    """Answer clicks, boxes, masks and logits by a network of 2 million weights, trained by `training/nano`.

    The photo is squeezed to a square of 256 pixels; a second look at the surroundings of what was found, or of the box,
    shows small objects in more detail. Clicks beside the mask or the logits of the answer before correct that answer;
    every click is obeyed to the pixel. `predicted_iou` is the network's own estimate, calibrated on photos that it was
    not trained on; `stability_score` the IoU of the mask with itself when the threshold of its logits moves by ±1.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        title="nano: a small network that comes with the package",
        prompts=frozenset({"points", "boxes", "mask", "logits"}),
        licence="Apache-2.0",
        multimask=True,
        has_logits=True,
        tracks=True,
        everything=EverythingSettings(pred_iou_thresh=0.6, stability_score_thresh=0.7),
    )

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        unknown = sorted(set(context.options) - _OPTIONS)
        if unknown:
            raise ModelUnavailable(f"nano has no option {unknown[0]!r}; it has runtime.")
        try:
            import cv2

            from maskbus.models.nano_network import NanoNetwork
        except ImportError as problem:
            raise ModelUnavailable(f"OpenCV cannot be imported ({problem}): pip install 'maskbus[node]'") from problem
        self._network = NanoNetwork(runtime=str(context.options.get("runtime", "auto")), threads=context.threads)
        if context.threads > 0:
            cv2.setNumThreads(context.threads)
        # OpenCV makes its tables of Lab when they are first needed, which takes a tenth of a second.
        cv2.cvtColor(np.zeros((1, 1, 3), np.float32), cv2.COLOR_BGR2LAB)

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Tell whether the runtime that is to compute it is there."""
        from maskbus.networks import INSTALL, RUNTIMES, is_installed

        runtime = str(context.options.get("runtime", "auto"))
        if runtime not in RUNTIMES:
            return Availability(False, f"there is no runtime {runtime!r}; there are {', '.join(RUNTIMES)}")
        if not is_installed(runtime):
            return Availability(
                False, f"its runtime {runtime} is not installed ({INSTALL.get(runtime, INSTALL['opencv'])})"
            )
        return Availability(True)

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the network's files."""
        return self._network.digest

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Return what the network sees of all of each photo, and a copy of its pixels for closer looks."""
        from maskbus.models.nano_picture import NanoPicture

        pictures: list[Embedding] = []
        for image in images:
            job.check()
            # Shared memory is reused once the job is over; pixels that were reordered are a copy already.
            rgb = image.rgb.copy() if np.may_share_memory(image.rgb, image.pixels) else image.rgb
            pictures.append(NanoPicture(self._network, rgb))
        return pictures

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return one mask for each box, or one for all points together; up to three of these with `multimask`."""
        from maskbus.models.nano_answer import Answer, answers, whole_logits
        from maskbus.models.nano_mask import mask

        picture = _own(embedding)
        self._check(prompt)
        several = options.multimask and len(prompt.boxes) <= 1
        found: list[tuple[Prompt, Answer]] = []
        for one in prompt.objects():
            job.check()
            hypotheses = answers(self._network, picture, one)
            if several:
                hypotheses = sorted(hypotheses, key=lambda answer: -answer.predicted_iou)
            found += [(one, answer) for answer in hypotheses[: 3 if several else 1]]
        masks = np.zeros((len(found), picture.whole.height, picture.whole.width), np.bool_)
        stability = np.zeros(len(found), np.float32)
        for n, (one, answer) in enumerate(found):
            job.check()
            masks[n], stability[n] = mask(picture, answer, one)
        return Masks(
            masks=masks,
            # Nothing found is nothing to trust.
            predicted_iou=np.array(
                [answer.predicted_iou * bool(drawn.any()) for drawn, (_, answer) in zip(masks, found, strict=True)],
                np.float32,
            ),
            stability_score=stability,
            logits=np.stack([whole_logits(answer, picture.whole) for _, answer in found]) if options.logits else None,
        )

    def decode_grid(self, embedding: Embedding, points: FloatArray, pred_iou_thresh: float, job: Job) -> Candidates:
        """Return the masks of single points, three hypotheses each, that the network itself believes in."""
        from maskbus.models.nano_answer import ask_point

        picture = _own(embedding)
        side = self._network.map_side
        logits: list[FloatArray] = []
        scores: list[float] = []
        of: list[int] = []
        for number, point in enumerate(points):
            job.check()
            drawn, iou = ask_point(self._network, picture, point)
            for one, score in zip(drawn, iou, strict=True):
                if score > pred_iou_thresh:
                    logits.append(one)
                    scores.append(float(score))
                    of.append(number)
        return Candidates(
            np.stack(logits) if logits else np.zeros((0, side, side), np.float32),
            np.array(scores, np.float32),
            np.array(of, np.intp),
        )

    def upscale(self, embedding: Embedding, logits: FloatArray) -> FloatArray:
        """Return logits at the photo's size."""
        return _own(embedding).whole.enlarged(logits)

    def tracker(self, options: TrackerOptions) -> Tracker:
        """Begin to follow objects through a video, as `grabcut` does, with the network as one more voice."""
        from maskbus.handlers.grabcut_track import GrabCutTracker
        from maskbus.handlers.nano_track import voices

        return GrabCutTracker(self, options, voices(self._network))

    def close(self) -> None:
        """Let go of the network."""
        del self._network

    def _check(self, prompt: Prompt) -> None:
        unknown = prompt.kinds - self.info.prompts
        if unknown or prompt.is_empty:
            what = ", ".join(sorted(unknown)) or "no prompt at all"
            raise UnsupportedPrompt(f"{self.context.model} takes points, boxes, masks and logits, not {what}.")
        there = prompt.mask is not None or prompt.logits is not None
        if not len(prompt.boxes) and not there and not (prompt.labels == 1).any():
            raise BadPrompt("Every point is a background point: add one on the object, a box or a mask.")
        if prompt.mask is not None and not len(prompt.points) and not len(prompt.boxes) and not prompt.mask.any():
            raise BadPrompt("The mask to refine is empty: add a point on the object or a box.")


def _own(embedding: Embedding) -> NanoPicture:
    from maskbus.models.nano_picture import NanoPicture

    assert isinstance(embedding, NanoPicture)
    return embedding
