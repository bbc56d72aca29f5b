"""Masks as a COCO data set, as pycocotools and annotation tools read it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from maskbus_client.results import Result

_CATEGORY = {"id": 1, "name": "object", "supercategory": ""}


class Dataset:
    """Collect the masks of one picture after the other."""

    def __init__(self, description: str) -> None:
        self._info = {"description": description}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    @property
    def pictures(self) -> int:
        """How many there are."""
        return len(self._images)

    def add(self, name: str, result: Result) -> None:
        """Add a picture and its masks, in their order. NoMask if they did not come as RLE."""
        image = {"id": len(self._images) + 1, "file_name": name, "width": result.width, "height": result.height}
        self._images.append(image)
        for mask in result:
            annotation: dict[str, Any] = {
                "id": len(self._annotations) + 1,
                "image_id": image["id"],
                "category_id": _CATEGORY["id"],
                "segmentation": {"size": list(mask.rle["size"]), "counts": mask.rle["counts"]},
                "bbox": list(mask.bbox),
                "area": mask.area,
                "iscrowd": 0,
                "predicted_iou": mask.predicted_iou,
                "stability_score": mask.stability_score,
            }
            if mask.point is not None:
                annotation["point_coords"] = [list(mask.point)]
            if mask.crop_box is not None:
                annotation["crop_box"] = list(mask.crop_box)
            self._annotations.append(annotation)

    def write(self, name: str) -> None:
        """Write the data set to the file called `name`; "-" is stdout."""
        plain = {
            "info": self._info,
            "licenses": [],
            "images": self._images,
            "categories": [_CATEGORY],
            "annotations": self._annotations,
        }
        if name == "-":
            json.dump(plain, sys.stdout, ensure_ascii=False)
            print()
            return
        with Path(name).open("w", encoding="utf-8") as file:
            json.dump(plain, file, ensure_ascii=False)
