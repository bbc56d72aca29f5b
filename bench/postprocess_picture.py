"""Make the picture of docs/postprocessing.md: `python bench/postprocess_picture.py docs/images/postprocessing.png`.

It takes the photo that comes with scikit-image, and the model without weights: its masks leave most to be done.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image, ImageDraw

from maskbus.cli import own_node
from maskbus.cli.demo import coffee
from maskbus.cli.demo_pictures import Panel, strip
from maskbus_client import Client
from maskbus_client.masks import Mask
from maskbus_wire import overlay

CLICK = (420, 330)
"""On the saucer."""
STEPS = {
    "as the model has it": {},
    "holes, islands": {"fill_holes": 1000, "remove_islands": 1000},
    "… smooth": {"fill_holes": 1000, "remove_islands": 1000, "smooth": 5},
    "… a polygon within 5 pixels": {"fill_holes": 1000, "remove_islands": 1000, "smooth": 5, "max_error": 5},
}
INK = (20, 20, 20)


def main(path: str) -> None:
    """Write the picture."""
    photo = np.asarray(Image.open(coffee()).convert("RGB"))
    panels = []
    with own_node.running("grabcut") as ready, Client(ready.endpoints[0], deadline=300) as client:
        for caption, post in STEPS.items():
            mask = client.segment(photo, points=CLICK, post=post, encoding=["rle", "polygon"]).best
            painted = overlay.paint(photo, mask.to_array()[None])
            panels.append(Panel(caption, caption, _with_corners(painted, mask) if "max_error" in post else painted))
    strip(panels).save(path, optimize=True)


def _with_corners(painted: np.ndarray, mask: Mask) -> np.ndarray:
    """Draw the polygon's rings and their corners over it."""
    image = Image.fromarray(painted)
    draw = ImageDraw.Draw(image)
    for ring in mask.polygon:
        points = list(zip(ring[0::2], ring[1::2], strict=True))
        draw.line([*points, points[0]], fill=INK, width=2)
        for x, y in points:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(255, 255, 255), outline=INK)
    return np.asarray(image)


if __name__ == "__main__":
    main(sys.argv[1])
