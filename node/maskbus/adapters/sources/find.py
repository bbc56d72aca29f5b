"""From what a user types to a source."""

from __future__ import annotations

import re
from pathlib import Path

from maskbus.adapters.sources.source import Source, SourceFailed, Tell

_DEVICE = re.compile(r"/dev/video\d+")
_ADDRESSES = ("rtsp://", "rtsps://", "http://", "https://")


def find(name: str, tell: Tell, *, swap: bool = True) -> Source:
    """Return the source called `name`, opened.

    Args:
        name: A video file, a folder of pictures, camera:N, /dev/videoN, rtsp://…, http://… (a camera's), imagezmq://…,
            imagezmq+sub://…, lerobot://…
        tell: Told of what goes wrong on the way.
        swap: For lerobot: whether red and blue are swapped.

    Raises:
        SourceFailed: if it is none, or cannot be opened.
        OSError: if it cannot be read.
    """
    scheme = name.partition("://")[0].lower() if "://" in name else ""
    if name.startswith("camera:"):
        from maskbus.adapters.sources import video_device

        number = name.removeprefix("camera:")
        if not re.fullmatch(r"\d{1,4}", number):
            raise SourceFailed(f"A camera is camera:0, camera:1 and so on, not {name}.")
        return video_device.local(int(number), tell)
    if _DEVICE.fullmatch(name) or name.lower().startswith(_ADDRESSES):
        from maskbus.adapters.sources import video_device

        return (video_device.device if name.startswith("/") else video_device.remote)(name, tell)
    if scheme in ("imagezmq", "imagezmq+sub"):
        from maskbus.adapters.sources import imagezmq
        from maskbus.adapters.sources.zmq_source import host_and_port

        host, port, more = host_and_port(name, form=f"{scheme}://HOST:PORT")
        if more:
            raise SourceFailed(f"{name}: this kind of source is {scheme}://HOST:PORT.")
        return (imagezmq.ImagezmqHub if scheme == "imagezmq" else imagezmq.ImagezmqPublisher)(host, port, tell)
    if scheme == "lerobot":
        from maskbus.adapters.sources.lerobot import LerobotServer
        from maskbus.adapters.sources.zmq_source import host_and_port

        host, port, camera = host_and_port(name, form="lerobot://HOST:PORT or lerobot://HOST:PORT/CAMERA")
        return LerobotServer(host, port, camera, tell, swap=swap)
    if scheme:
        raise SourceFailed(f"There is no source {scheme}://; there are rtsp, http, imagezmq, imagezmq+sub and lerobot.")
    path = Path(name)
    if path.is_dir():
        from maskbus.adapters.sources.picture_folder import PictureFolder

        return PictureFolder(path)
    from maskbus.adapters.sources.video_file import VideoFile

    return VideoFile(path)
