"""The authors' own SAM 2, to compare with: built from their configuration files, with random weights."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

FILES = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}


def build(name: str, *overrides: str, video: bool = False) -> Any:
    """Build the model `name`; as a video predictor with the settings the authors ask for where `video`."""
    pytest.importorskip("sam2", reason="the package sam2 is not installed")
    from hydra import compose
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    family, size = name.split("-hiera-")
    asked = list(overrides)
    if video:
        extra = "model.sam_mask_decoder_extra_args.dynamic_multimask"
        asked += [
            "++model._target_=sam2.sam2_video_predictor.SAM2VideoPredictor",
            f"++{extra}_via_stability=true",
            f"++{extra}_stability_delta=0.05",
            f"++{extra}_stability_thresh=0.98",
            "++model.binarize_mask_from_pts_for_mem_enc=true",
            # Filling holes needs the package's CUDA extension.
            "++model.fill_hole_area=0",
        ]
    config = compose(config_name=f"configs/{family}/{family}_hiera_{FILES[size]}.yaml", overrides=asked)
    OmegaConf.resolve(config)
    return instantiate(config.model, _recursive_=True).eval()


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Build models without memory for their weights."""
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        # The reference reads values off a linspace while it builds itself.
        patch.setattr(torch, "linspace", functools.partial(torch.linspace, device="cpu"))
        yield


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Return name → shape of the weights of `model`."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


SMALL = (
    "model.image_size=256",
    "model.image_encoder.trunk.embed_dim=24",
    "model.image_encoder.trunk.num_heads=1",
    "model.image_encoder.trunk.stages=[1,1,2,1]",
    "model.image_encoder.trunk.global_att_blocks=[3]",
    "model.image_encoder.neck.backbone_channel_list=[192,96,48,24]",
    "model.memory_attention.num_layers=2",
    "model.memory_attention.layer.self_attention.feat_sizes=[16,16]",
    "model.memory_attention.layer.cross_attention.feat_sizes=[16,16]",
)


@torch.no_grad()
def randomise(model: Any, seed: int, presence: float = 4.0) -> None:
    """Give `model` weights with which logits are neither tiny nor alike, and in which the past matters.

    Args:
        model: The reference.
        seed: Of the random numbers.
        presence: Added to the logit that says whether an object can be seen.
    """
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if name.endswith("gamma"):
            weight.uniform_(0.1, 0.5)
        elif weight.ndim == 1:
            weight.add_(torch.randn_like(weight) * 0.02)
        elif "tpos" in name or "embed" in name or "no_" in name:
            weight.copy_(torch.randn_like(weight) * 0.5)
    decoder = model.sam_mask_decoder
    for head in decoder.output_hypernetworks_mlps:
        head.layers[-1].weight.mul_(8)
        head.layers[-1].bias.add_(torch.randn_like(head.layers[-1].bias))
    decoder.pred_obj_score_head.layers[-1].weight.mul_(4)
    decoder.pred_obj_score_head.layers[-1].bias.add_(presence)


class Player:
    """Play a video to the authors' predictor frame by frame, as a tracker is used."""

    def __init__(self, model: Any, folder: str) -> None:
        self.model = model
        self.state = model.init_state(folder)
        # What comes later is not known: with few frames the predictor would count the age of pointers otherwise.
        self.state["num_frames"] = 1_000_000
        self.frame = -1
        self.masks: torch.Tensor | None = None

    def advance(self) -> None:
        self.frame += 1
        self.masks = None
        if self.state["obj_ids"]:
            steps = self.model.propagate_in_video(self.state, start_frame_idx=self.frame, max_frame_num_to_track=0)
            ((_, _, masks),) = steps
            self.masks = masks[:, 0] > 0

    def point(self, object_id: int, points=None, labels=None, box=None) -> None:
        _, _, masks = self.model.add_new_points_or_box(
            self.state, self.frame, object_id, points, labels, clear_old_points=box is not None, box=box
        )
        self.masks = masks[:, 0] > 0

    def mask(self, object_id: int, mask: Any) -> None:
        _, _, masks = self.model.add_new_mask(self.state, self.frame, object_id, mask)
        self.masks = masks[:, 0] > 0

    def remove(self, object_id: int) -> None:
        self.model.remove_object(self.state, object_id, strict=True, need_output=False)

    def field(self, name: str) -> torch.Tensor:
        """Return what the predictor holds of each object in the latest frame, (N, …)."""
        found = []
        for index in range(len(self.state["obj_ids"])):
            for kind in ("temp_output_dict_per_obj", "output_dict_per_obj"):
                outputs = self.state[kind][index]
                each = [outputs[part].get(self.frame) for part in ("cond_frame_outputs", "non_cond_frame_outputs")]
                output = each[0] or each[1]
                if output is not None:
                    found.append(output[name])
                    break
        return torch.cat(found)
