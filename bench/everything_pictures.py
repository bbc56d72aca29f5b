"""Make the pictures of docs/everything.md: `python bench/everything_pictures.py docs/images`.

It takes the photo that comes with scikit-image, and the model that comes with the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskbus.cli import own_node
from maskbus.cli.demo import coffee
from maskbus.cli.demo_pictures import Panel, strip
from maskbus_client import Client

SETTINGS: dict[str, dict[str, Any]] = {
    "4 points a side": {"points_per_side": 4},
    "32 points a side": {},
    "and higher thresholds": {"pred_iou_thresh": 0.7, "stability_score_thresh": 0.85},
}


def main(folder: Path) -> None:
    """Write both pictures."""
    photo = np.asarray(Image.open(coffee()).convert("RGB"))
    panels: dict[str, Panel] = {}
    with own_node.running("nano") as ready, Client(ready.endpoints[0], deadline=300) as client:
        for caption, settings in SETTINGS.items():
            found = client.everything(photo, **settings)
            print(f"{caption}: {len(found)} objects")
            panels[caption] = Panel("everything", f"{caption}: {len(found)} objects", found.overlay(photo))
    whole = panels["32 points a side"]
    photo_panel = Panel("photo", "the photo", photo)
    strip([photo_panel, whole]).save(folder / "everything-photo.png", optimize=True)
    strip(list(panels.values())).save(folder / "everything-settings.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
