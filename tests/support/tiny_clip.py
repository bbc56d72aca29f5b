"""A miniature CLIP that knows coloured shapes, trained in seconds: `python tests/support/tiny_clip.py FOLDER`.

It is an open_clip model like any other, with open_clip's own tokenizer: a model config and a file of weights, which the
handler `text` is given by its options `clip` and `weights`. Its world are crops like those the handler makes: one shape
on black, on grey, on a blurred or a plain background, and patches of background without any shape.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

SIDE = 32
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 170, 50),
    "blue": (35, 60, 220),
    "yellow": (240, 215, 40),
    "purple": (140, 40, 170),
}
SHAPES = ("circle", "square", "triangle", "star")
NOTHING = "background"
CONFIG_FILE, WEIGHTS_FILE = "tiny-clip.json", "tiny-clip.safetensors"
TEMPLATES = ("a photo of {}", "{}", "a picture of {}")
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
CONFIG: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": SIDE, "patch_size": 8, "layers": 3, "width": 64, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 1},
}
UInt8 = npt.NDArray[np.uint8]


def outline(kind: str, side: int, random: np.random.Generator) -> UInt8:
    """Return a shape, 255 where it is, uint8 (side, side): it fills the square but for a margin, turned a little."""
    mask = np.zeros((side, side), np.uint8)
    middle, radius = (side - 1) / 2, side / 2 * random.uniform(0.72, 1.0)
    middle_x, middle_y = middle + random.uniform(-1, 1), middle + random.uniform(-1, 1)
    if kind == "circle":
        cv2.circle(mask, (round(middle_x * 16), round(middle_y * 16)), round(radius * 16), 255, -1, shift=4)
        return mask
    turn = random.uniform(-0.12, 0.12)
    if kind == "square":
        angles = [np.pi / 4 + np.pi / 2 * i for i in range(4)]
        radii = [radius * 2**0.5] * 4
    elif kind == "triangle":
        angles, radii = [-np.pi / 2 + np.pi * 2 / 3 * i for i in range(3)], [radius * 1.1] * 3
        middle_y += radius * 0.25
    else:
        angles, radii = (
            [-np.pi / 2 + np.pi / 5 * i for i in range(10)],
            [radius * (1.05, 0.45)[i % 2] for i in range(10)],
        )
    corners = [
        (middle_x + r * np.cos(a + turn), middle_y + r * np.sin(a + turn)) for a, r in zip(angles, radii, strict=True)
    ]
    cv2.fillPoly(mask, [np.round(np.array(corners) * 16).astype(np.int32)], 255, shift=4)
    return mask


def texture(height: int, width: int, random: np.random.Generator) -> UInt8:
    """Return a background, uint8 (height, width, 3): a pale or dark colour, a gradient, blotches and noise."""
    grey = random.uniform(30, 225)
    colour = grey + random.uniform(-25, 25, 3)
    blotches = cv2.resize(random.normal(0, 12, (4, 4, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    return (colour + blotches + random.normal(0, 5, (height, width, 3))).clip(0, 255).astype(np.uint8)


@dataclass
class Picture:
    """A photo of shapes, with the truth."""

    rgb: UInt8
    masks: dict[str, npt.NDArray[np.bool_]]
    """"red circle" → bool (H, W)."""


def photo(names: list[str], *, height: int = 240, width: int = 320, seed: int = 0) -> Picture:
    """Return a photo with the named shapes in two rows, at most six: "red circle", "blue square", …"""
    random = np.random.default_rng(seed)
    rgb = texture(height, width, random)
    columns = (len(names) + 1) // 2
    cell = min(height // 2, width // columns)
    masks = {}
    for i, name in enumerate(names):
        colour, kind = name.split()
        side = int(cell * random.uniform(0.6, 0.8))
        x = (i % columns) * width // columns + (width // columns - side) // 2
        y = (i // columns) * height // 2 + (height // 2 - side) // 2
        inside = outline(kind, side, random) > 127
        mask = np.zeros((height, width), np.bool_)
        mask[y : y + side, x : x + side] = inside
        shade = np.array(COLOURS[colour]) + random.normal(0, 6, (int(mask.sum()), 3))
        rgb[mask] = shade.clip(0, 255).astype(np.uint8)
        masks[name] = mask
    return Picture(rgb, masks)


def _crop(colour: str, kind: str, random: np.random.Generator) -> UInt8:
    """Return one shape as the handler would show it, uint8 (SIDE, SIDE, 3)."""
    around = [np.zeros((SIDE, SIDE, 3)), np.array([122.8, 116.7, 104.1]) * np.ones((SIDE, SIDE, 3))]
    around += [texture(SIDE, SIDE, random)] * 2
    background = around[random.integers(len(around))]
    alpha = outline(kind, SIDE, random)[:, :, None] / 255
    shade = np.array(COLOURS[colour]) + random.uniform(-25, 25, 3) + random.normal(0, 8, (SIDE, SIDE, 3))
    return (alpha * shade + (1 - alpha) * background).clip(0, 255).astype(np.uint8)


def _nothing(random: np.random.Generator) -> UInt8:
    """Return background as a mask of it would show: all of it, or with holes and edges where the rest is."""
    crop = texture(SIDE, SIDE, random)
    if random.random() < 0.7:
        holes = cv2.resize(random.random((5, 5)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) > random.uniform(
            0.3, 0.8
        )
        crop[holes] = 0 if random.random() < 0.6 else (123, 117, 104)
    return crop


def train(folder: Path, *, steps: int = 260, batch: int = 96, seed: int = 0) -> tuple[Path, Path]:
    """Train the model and write it; the same on every machine, but for rounding.

    Returns:
        Paths of the model config and of the weights, as safetensors.
    """
    import open_clip
    from safetensors.torch import save_file

    config = folder / CONFIG_FILE
    config.write_text(json.dumps(CONFIG, indent=1))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them wait longer for each other than they work
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = open_clip.CLIP(**CONFIG)
    # Words that nobody trains keep the vectors they begin with, and those of the others are good enough as they are.
    model.token_embedding.weight.requires_grad_(False).mul_(8)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONFIG["text_cfg"]["context_length"])
    pairs = [(colour, kind) for colour in COLOURS for kind in SHAPES]
    names, belongs = _texts(pairs)
    tokens = torch.stack([tokenizer([template.format(name) for name in names]) for template in TEMPLATES])
    pool, kinds = _pool(pairs, random)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.5e-3, total_steps=steps, pct_start=0.15)
    for _ in range(steps):
        chosen = torch.from_numpy(random.integers(0, len(pool), batch))
        crops = pool[chosen].float().div_(255)
        crops = (crops - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
        texts = tokens[int(random.integers(len(TEMPLATES)))]
        scale = model.logit_scale.exp().clamp(max=30)
        logits = scale * model.encode_image(crops, normalize=True) @ model.encode_text(texts, normalize=True).T
        loss = _loss(logits, belongs[kinds[chosen]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.set_num_threads(threads)
    with torch.no_grad():
        model.logit_scale.clamp_(max=float(np.log(30)))
    weights = folder / WEIGHTS_FILE
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, weights)
    return config, weights


def _texts(pairs: list[tuple[str, str]]) -> tuple[list[str], Tensor]:
    """Return what can be said, and which of it holds for each pair, float32 (pairs + 1, texts)."""
    names = [f"{_article(colour)} {colour} {kind}" for colour, kind in pairs]
    names += [f"something {colour}" for colour in COLOURS] + [f"a {kind}" for kind in SHAPES] + [NOTHING]
    rows = [[f"{_article(c)} {c} {k}" == n or n in (f"something {c}", f"a {k}") for n in names] for c, k in pairs]
    rows.append([name == NOTHING for name in names])
    return names, torch.tensor(rows, dtype=torch.float32)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _pool(pairs: list[tuple[str, str]], random: np.random.Generator, each: int = 120) -> tuple[Tensor, Tensor]:
    crops = [_crop(colour, kind, random) for colour, kind in pairs for _ in range(each)]
    kinds = [i for i in range(len(pairs)) for _ in range(each)]
    crops += [_nothing(random) for _ in range(3 * each)]
    kinds += [len(pairs)] * (3 * each)
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous(), torch.tensor(kinds)


def _loss(logits: Tensor, belongs: Tensor) -> Tensor:
    """Return the contrastive loss, where several texts hold for a crop and several crops for a text."""
    by_crop = belongs / belongs.sum(1, keepdim=True)
    seen = belongs.sum(0) > 0
    by_text = (belongs / belongs.sum(0).clamp(min=1))[:, seen].T
    return functional.cross_entropy(logits, by_crop) + functional.cross_entropy(logits[:, seen].T, by_text)


def digest() -> str:
    """Return what tells this script, and so what it trains, from others: 16 hex digits."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def main() -> int:
    """Train into a folder."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for path in train(folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
