"""Train the network: `python -m training.nano.train`."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.distributed
from torch.multiprocessing.spawn import spawn

from maskbus.models.nano_colours import with_colours
from maskbus.models.nano_map import CERTAIN
from maskbus.models.nano_view import View as Seen
from training.nano import prompts
from training.nano.compare import compare
from training.nano.losses import loss
from training.nano.muon import Muon
from training.nano.network import Nano, Widths
from training.nano.photos import Photo, read
from training.nano.settings import SETTINGS, Settings
from training.nano.settings import read as read_settings
from training.nano.views import View, view

CHECKPOINT = "checkpoint.pt"
"""The file that a training goes on from."""
_COMPARED = 80
"""Objects that a comparison asks for."""


def main() -> int:
    """Train, or go on where a training was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint.pt and curve.jsonl")
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    parser.add_argument(
        "--until", type=int, default=0, help="leave off after this step; the next call goes on from there"
    )
    parser.add_argument("--fresh", action="store_true", help="begin anew though there is a checkpoint")
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    settings = read_settings(flags.settings)
    if not any((flags.data / "masks").glob("*.png")):
        print(f"train-nano: there are no photos with masks in {flags.data}.", file=sys.stderr)
        return 1
    checkpoint = flags.out / CHECKPOINT
    try:
        if checkpoint.exists() and not flags.fresh:
            _held(checkpoint, settings)
    except BadCheckpoint as error:
        print(f"train-nano: {error} --fresh begins anew.", file=sys.stderr)
        return 1
    workers = 1 if torch.cuda.is_available() else settings.workers
    until = flags.until or settings.steps
    with tempfile.TemporaryDirectory() as folder:
        job = (workers, f"file://{folder}/meeting", settings, flags.data, flags.out, flags.fresh, until)
        try:
            spawn(_work, job, workers, daemon=True)
        except KeyboardInterrupt:
            print("train-nano: left off. The same command goes on from the last checkpoint.", file=sys.stderr)
            return 130
    return 0


class BadCheckpoint(Exception):
    """Say that a checkpoint cannot be gone on from."""


def _held(checkpoint: Path, settings: Settings, device: torch.device | None = None) -> dict[str, Any]:
    """Return what a checkpoint of these settings' network holds. Raises `BadCheckpoint`."""
    try:
        held = torch.load(checkpoint, map_location=device or "cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):
        held = None
    if not isinstance(held, dict) or not {"network", "average", "optimizers", "step", "seconds"} <= held.keys():
        raise BadCheckpoint(f"{checkpoint} is damaged, or no checkpoint of a training.")
    with torch.device("meta"):
        wanted = Nano(Widths(*settings.widths)).state_dict()
    if _shapes(held["network"]) != _shapes(wanted):
        raise BadCheckpoint(f"{checkpoint} is of another network than that of the settings.")
    return held


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in state.items()}


def _work(
    rank: int, workers: int, meeting: str, settings: Settings, data: Path, out: Path, fresh: bool, until: int
) -> None:
    """Train in one process of several: each learns from its share of a step's photos, and all take one step."""
    if workers > 1 and hasattr(os, "sched_setaffinity"):
        # Processes that wait for each other are put on one core by and by, while others are idle.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(cores[rank % len(cores) :: workers]) or set(cores))
    torch.set_num_threads(max((os.cpu_count() or 1) // workers, 1))
    cv2.setNumThreads(1)
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=workers)
    train, held_out = read(data, held_out=settings.held_out)
    if rank == 0:
        print(f"{len(train)} photos to train on, {len(held_out)} to compare on", flush=True)
    Training(settings, train, held_out, out, rank=rank, workers=workers, fresh=fresh).run(until)
    torch.distributed.destroy_process_group()


class Training:
    """A network on its way."""

    def __init__(
        self,
        settings: Settings,
        train: list[Photo],
        held_out: list[Photo],
        out: Path,
        *,
        rank: int = 0,
        workers: int = 1,
        fresh: bool = False,
    ) -> None:
        self.settings = settings
        self.rank, self.workers = rank, workers
        self.train, self.held_out, self.out = train, held_out, out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(settings.seed)
        random.seed(settings.seed)
        self.network = Nano(Widths(*settings.widths)).to(self.device).to(memory_format=torch.channels_last)
        self.optimizers = _optimizers(self.network, settings)
        self.average = deepcopy(self.network).eval()
        self.step = 0
        self.seconds = 0.0
        self._checkpoint = out / CHECKPOINT
        if self._checkpoint.exists() and not fresh:
            self._resume()
        else:
            if rank == 0:
                (out / "curve.jsonl").unlink(missing_ok=True)

    def run(self, until: int) -> None:
        """Go on to a step."""
        told = time.monotonic()
        losses: list[float] = []
        ious: list[float] = []
        begin = time.monotonic() - self.seconds
        parent = os.getppid()
        for step in range(self.step, until):
            if self.workers > 1 and os.getppid() != parent:
                # Whoever started this was killed.
                return
            # In turns: on few cores, pictures made beside would only keep the learning's threads waiting.
            number, iou = self._learn(step, self._make(step))
            losses.append(number)
            ious.append(iou)
            self.step = step + 1
            self.seconds = time.monotonic() - begin
            if self.rank:
                continue
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(
                    f"step {self.step}, {self.seconds:.0f} s: loss {np.mean(losses[-100:]):.4f}, "
                    f"IoU of first answers {np.mean(ious[-100:]):.3f}",
                    flush=True,
                )
            if self.step % self.settings.compare_steps == 0 or self.step == until:
                recent = slice(-self.settings.compare_steps, None)
                self._compare(float(np.mean(losses[recent])), float(np.mean(ious[recent])))
                self._save()

    def _make(self, step: int) -> list[View]:
        """Make the pictures of a step; they depend on its number and the seed alone."""
        settings = self.settings
        draw = np.random.default_rng([settings.seed, step, self.rank])
        stage = settings.stage(step)
        chosen = draw.integers(len(self.train), size=settings.photos // self.workers)
        return [view(self.train[int(one)], self.train, stage, draw, paste=settings.paste) for one in chosen]

    def _learn(self, step: int, pictures: list[View]) -> tuple[float, float]:
        settings = self.settings
        draw = np.random.default_rng([settings.seed, step, self.rank, 1])
        images = np.stack([picture.pixels for picture in pictures]).transpose(0, 3, 1, 2)
        of, truths = [], []
        for number, picture in enumerate(pictures):
            for target in range(settings.targets):
                of.append(number)
                truths.append(picture.masks[target % len(picture.masks)])
        stage = settings.stage(step)
        said = [prompts.first(truth, stage.boxes, draw) for truth in truths]
        # All processes give as many answers, or one would wait for the other.
        rounds = 1 + int(np.random.default_rng([settings.seed, step]).choice(len(stage.rounds), p=stage.rounds))
        truth = torch.from_numpy(np.stack(truths)).to(self.device)
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).float().div_(255)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        self.network.train()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["most"] * settings.part(step)
        index = torch.tensor(of, device=self.device)
        total = torch.zeros((), device=self.device)
        first_iou = 0.0
        with torch.autocast(self.device.type, torch.bfloat16):
            features = [one.index_select(0, index) for one in self.network.image(pixels)]
            for number in range(rounds):
                maps = torch.from_numpy(np.stack([one.values for one in said])).to(self.device)
                logits, believed = self.network.prompt(*features, maps.contiguous(memory_format=torch.channels_last))
                with torch.autocast(self.device.type, enabled=False):
                    one, iou = loss(logits.float(), believed.float(), truth, stage.iou_weight)
                total = total + one
                if number == 0:
                    first_iou = float(iou.mean())
                if number + 1 < rounds:
                    probability = torch.sigmoid(logits[:, 0].detach().float()).cpu().numpy()
                    seen = [pictures[which].pixels for which in of]
                    self._correct(said, truths, seen, probability, stage.colours, draw)
        (total / rounds).backward()
        self._share()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.network.zero_grad(set_to_none=True)
        self._average(step)
        return float(total.detach()) / rounds, first_iou

    @staticmethod
    def _correct(
        said: list[prompts.Said],
        truths: list[npt.NDArray[np.float32]],
        pictures: list[npt.NDArray[np.uint8]],
        probability: npt.NDArray[np.float32],
        colours: float,
        draw: np.random.Generator,
    ) -> None:
        for one, truth, picture, answer in zip(said, truths, pictures, probability, strict=True):
            if colours and draw.random() < colours:
                one.earlier(with_colours(Seen(0, 0, *picture.shape[1::-1]).square(picture, len(answer)), answer))
                continue
            prompts.correct(one, truth, answer, draw)
            luck = draw.random()
            if luck < 0.4:
                # As it comes back from a client, which keeps the mask and not the logits.
                answer = np.where(answer > 0.5, np.float32(CERTAIN), np.float32(1 - CERTAIN))
            one.earlier(answer if luck < 0.85 else None)

    def _share(self) -> None:
        """Make every process's gradients the mean of all."""
        if self.workers == 1:
            return
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch._utils._flatten_dense_tensors(gradients)
        torch.distributed.all_reduce(flat)
        flat /= self.workers
        for old, new in zip(gradients, torch._utils._unflatten_dense_tensors(flat, gradients), strict=True):
            old.copy_(new)

    def _average(self, step: int) -> None:
        keep = min(self.settings.stage(step).average, (step + 1) / (step + 20))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now.to(mean.dtype), 1 - keep)
                else:
                    mean.copy_(now)

    def _compare(self, mean_loss: float, first_iou: float) -> None:
        network = deepcopy(self.average).cpu().float().to(memory_format=torch.contiguous_format).eval()
        found = compare(network, self.held_out, self.settings.size, most=_COMPARED)
        line = {
            "step": self.step,
            "seconds": round(self.seconds),
            "loss": round(mean_loss, 4),
            "train_iou": round(first_iou, 4),
            "click": round(found.click, 4),
            "clicks5": round(found.clicks5, 4),
            "box": round(found.box, 4),
        }
        with (self.out / "curve.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def _save(self) -> None:
        part = self._checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "step": self.step,
                "seconds": self.seconds,
            },
            part,
        )
        part.replace(self._checkpoint)

    def _resume(self) -> None:
        held = _held(self._checkpoint, self.settings, self.device)
        self.network.load_state_dict(held["network"])
        self.average.load_state_dict(held["average"])
        for optimizer, state in zip(self.optimizers, held["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.step, self.seconds = int(held["step"]), float(held["seconds"])
        print(f"goes on from step {self.step}", flush=True)


def _optimizers(network: Nano, settings: Settings) -> list[torch.optim.Optimizer]:
    """Return what takes the steps: Muon for matrices that mix channels, AdamW for all else."""
    mixing: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    norms: list[torch.nn.Parameter] = []
    judge = network.prompt.judge[2]
    assert isinstance(judge, torch.nn.Linear)
    ends = {id(one) for one in (next(network.image.s2.parameters()), network.prompt.out.weight, judge.weight)}
    for weight in network.parameters():
        if weight.ndim < 2:
            norms.append(weight)
        elif weight.shape[1] == 1 or id(weight) in ends:
            others.append(weight)
        else:
            mixing.append(weight)
    muon = Muon(mixing, settings.muon_rate, weight_decay=settings.muon_decay)
    adam = torch.optim.AdamW(
        [{"params": others, "weight_decay": settings.weight_decay}, {"params": norms, "weight_decay": 0.0}],
        lr=settings.learning_rate,
    )
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["most"] = group["lr"]
    return [muon, adam]


if __name__ == "__main__":
    sys.exit(main())
