"""The masks of streams as a COCO data set that is written while they come: nothing is kept, however long they run."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from maskbus_client.results import Result


class StreamDataset:
    """Collect the masks of one frame after the other in a file. `close` must follow, and makes it whole."""

    def __init__(self, path: Path, description: str) -> None:
        """Begin. OSError if the file cannot be written."""
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._file = self._part.open("w", encoding="utf-8")
        self._images = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 — closed by `close`
        self._counted = {"images": 0, "annotations": 0}
        head = {
            "info": {"description": description},
            "licenses": [],
            "categories": [{"id": 1, "name": "object", "supercategory": ""}],
        }
        self._file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "annotations": [')

    @property
    def frames(self) -> int:
        """How many there are."""
        return self._counted["images"]

    def add(self, stream: str, frame: int, name: str, stamp: int | None, result: Result) -> None:
        """Add a frame and its masks.

        Args:
            stream: Name of its stream.
            frame: Its number in there.
            name: Of its file; empty where it has none.
            stamp: Its time, nanoseconds since the epoch.
            result: Its masks, as RLE.
        """
        image: dict[str, Any] = {
            "id": self._counted["images"] + 1,
            "file_name": name or f"{stream}-{frame:06}",
            "width": result.width,
            "height": result.height,
            "stream": stream,
            "frame": frame,
            "stamp": stamp,
        }
        self._put(self._images, "images", image)
        for mask in result:
            annotation: dict[str, Any] = {
                "id": self._counted["annotations"] + 1,
                "image_id": image["id"],
                "category_id": 1,
                "segmentation": {"size": list(mask.rle["size"]), "counts": mask.rle["counts"]},
                "bbox": list(mask.bbox),
                "area": mask.area,
                "iscrowd": 0,
                "score": mask.predicted_iou,
            }
            if mask.object_id is not None:
                annotation |= {"track_id": mask.object_id, "present": mask.present}
            if mask.label is not None:
                annotation |= {"label": mask.label, "similarity": mask.similarity, "probability": mask.probability}
            self._put(self._file, "annotations", annotation)

    def close(self) -> None:
        """Finish the file, and put it in its place; where nothing was added, leave what is there as it is."""
        if self._file.closed:
            return
        with self._file, self._images:
            self._file.write('\n], "images": [')
            self._images.seek(0)
            shutil.copyfileobj(self._images, self._file)
            self._file.write("\n]}\n")
        if self._counted["images"]:
            os.replace(self._part, self.path)
        else:
            self._part.unlink()

    def _put(self, file: Any, kind: str, plain: dict[str, Any]) -> None:
        file.write(("," if self._counted[kind] else "") + "\n" + json.dumps(plain, ensure_ascii=False))
        self._counted[kind] += 1
