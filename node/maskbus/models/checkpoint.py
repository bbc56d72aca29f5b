"""Reading weights: .pt and .pth files of the authors, and safetensors. Nothing in a file is ever executed."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from maskbus.interfaces import ModelUnavailable


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file by name.

    The authors' files hold them plainly, or in a map under "model" or "state_dict".

    Raises:
        ModelUnavailable: if the file is not readable, damaged, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        # Mapped, not read: the model's own parameters become the only copy.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=_can_be_mapped(path))
    except pickle.UnpicklingError:
        raise ModelUnavailable(
            f"The weights file {path} holds more than weights, and is not opened: it could run code."
        ) from None
    except OSError as error:
        raise ModelUnavailable(f"The weights file {path} cannot be read: {error.strerror or error}.") from None
    except Exception as error:
        raise ModelUnavailable(
            f"The weights file {path} is damaged or no weights file ({type(error).__name__})."
        ) from None
    for name in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelUnavailable(f"The weights file {path} holds no model's weights.")
    return {str(name): value for name, value in content.items()}


def _can_be_mapped(path: Path) -> bool:
    """Tell whether a file is of torch's newer format, a zip archive."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def fill(module: nn.Module, weights: Mapping[str, Tensor], *, path: Path, model: str) -> None:
    """Put weights into a module, float32, and see that each of its parameters got one.

    Raises:
        ModelUnavailable: if there are missing ones, or of another shape: the file is of another model.
    """
    wanted = module.state_dict()
    for name, value in wanted.items():
        given = weights.get(name)
        if given is None:
            raise ModelUnavailable(f"The weights file {path} is not of {model}: it has no {name}.")
        if given.shape != value.shape:
            raise ModelUnavailable(
                f"The weights file {path} is not of {model}: {name} is {tuple(given.shape)}, not {tuple(value.shape)}."
            )
    module.load_state_dict({name: weights[name].to(torch.float32) for name in wanted}, strict=True, assign=True)


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights below a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
