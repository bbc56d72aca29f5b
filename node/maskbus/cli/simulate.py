"""`maskbus simulate`: cameras that are not there, for a demonstration, a test or load."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maskbus.cli import simulate_figures, some_node, stream_names, stream_progress, stream_prompt, tables
from maskbus.cli.failure import CommandFailed
from maskbus.cli.simulate_camera import CameraRun
from maskbus.cli.simulate_figures import Figures
from maskbus.simulator.camera import Faults, SimulatedCamera
from maskbus_client.errors import ClientClosed, MaskbusError
from maskbus_client.subscription import Subscription
from maskbus_client.sync import Client

_SECONDS_OF_CLIP = 5.0
_CONNECTING_S = 5.0
_DRAWN_EVERY_S = 0.5
_PLAIN_EVERY_S = 5.0
_STRAGGLING_S = 1.0


def run(arguments: argparse.Namespace) -> int:
    """Be the cameras until the time is over or Ctrl-C, and print how it went; or write a clip."""
    if arguments.write:
        return _write(arguments)
    stream_names.check(arguments.name)
    flow = stream_prompt.flow(arguments, default="newest")
    settings = {"model": arguments.model, "shared_memory": arguments.shared_memory, **flow}
    with some_node.client(arguments.endpoint, arguments.model) as (client, endpoint, _):
        cameras, seconds = _ran(client, arguments, settings)
    figures = [camera.figures() for camera in cameras]
    if arguments.json:
        plain = {
            "endpoint": endpoint,
            "seconds": seconds,
            "mean_iou": simulate_figures.mean_iou(figures),
            "cameras": [one.plain() for one in figures],
        }
        print(json.dumps(plain, indent=2))
    else:
        tables.console().print(simulate_figures.table(figures, rates=False))
        print(simulate_figures.line(figures, seconds))
    unfinished = next((camera.unfinished for camera in cameras if camera.unfinished), "")
    if unfinished:
        print(f"maskbus: the figures are not whole: {unfinished}", file=sys.stderr)
    return 1 if unfinished else 0


def _ran(client: Client, arguments: argparse.Namespace, settings: dict[str, Any]) -> tuple[list[CameraRun], float]:
    """Run the cameras to their end; return them, and for how many seconds they ran."""
    begin = time.monotonic()
    seconds = 0.0
    ending = threading.Event()
    # Before the streams: what they publish first is heard, too.
    results = client.subscribe(f"masks/{arguments.name}", prefix=True)
    cameras: list[CameraRun] = []
    try:
        for number in range(arguments.cameras):
            cameras.append(_camera(client, arguments, number, ending, settings))
        listener = threading.Thread(
            target=_listen, args=(results, {camera.name: camera for camera in cameras}), name="maskbus results"
        )
        listener.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):  # the usual way out of it
                _wait_until_heard(client, [camera.name for camera in cameras])
                for camera in cameras:
                    camera.start()
                begin = time.monotonic()
                _wait(cameras, ending, arguments.seconds)
        finally:
            ending.set()
            seconds = time.monotonic() - begin
            for camera in cameras:
                camera.end()
            _wait_for_stragglers(cameras)
            results.close()
            listener.join()
    finally:
        results.close()
    for camera in cameras:
        if camera.failure is not None:
            raise camera.failure
    return cameras, seconds


def _camera(
    client: Client, arguments: argparse.Namespace, number: int, ending: threading.Event, settings: dict[str, Any]
) -> CameraRun:
    width, height = arguments.size
    simulated = SimulatedCamera(
        width,
        height,
        arguments.fps,
        seed=arguments.seed + number,
        moving=arguments.moving_shapes,
        encoding=arguments.encoding,
        faults=Faults(arguments.garbage, arguments.change_size),
    )
    try:
        return CameraRun(
            client,
            f"{arguments.name}{number}",
            simulated,
            arguments.fps,
            ending,
            track=arguments.track,
            lead=number / arguments.cameras / arguments.fps,
            stamp_offset=arguments.stamp_offset,
            vanish=arguments.vanish if number == 0 else None,
            expects_errors=bool(arguments.garbage or arguments.change_size),
            settings=settings,
        )
    except ValueError as error:  # what the client checks before anything is sent
        raise CommandFailed(str(error)) from None


def _listen(results: Subscription, cameras: dict[str, CameraRun]) -> None:
    """Hand results to their cameras until the subscription is closed."""
    while True:
        try:
            result = next(results)
            camera = cameras.get(result.reply.stream or "")
            if camera is not None:
                camera.take(result)
        except (StopIteration, ClientClosed):
            return
        except MaskbusError as error:
            print(f"maskbus: {error}", file=sys.stderr)


def _wait_until_heard(client: Client, names: list[str]) -> None:
    end = time.monotonic() + _CONNECTING_S
    while not all(one.watched for one in client.streams() if one.stream in names):
        if time.monotonic() > end:
            raise CommandFailed("The node answers, but what it publishes does not come through: is its port open?")
        time.sleep(0.01)


def _wait_for_stragglers(cameras: list[CameraRun]) -> None:
    """Wait for results that have been published and are not here yet."""
    end = time.monotonic() + _STRAGGLING_S
    while time.monotonic() < end and not all(camera.is_settled for camera in cameras):
        time.sleep(0.01)


def _wait(cameras: list[CameraRun], ending: threading.Event, seconds: float | None) -> None:
    """Show how the cameras are doing until the time is over, or one of them cannot go on."""
    begin = time.monotonic()
    with _shown(cameras) as look:
        while not ending.is_set():
            elapsed = time.monotonic() - begin
            if seconds is not None and elapsed >= seconds:
                return
            look(elapsed)
            ending.wait(_DRAWN_EVERY_S if seconds is None else min(_DRAWN_EVERY_S, seconds - elapsed))


@contextlib.contextmanager
def _shown(cameras: list[CameraRun]) -> Iterator[Any]:
    """Yield what shows the cameras: a table that is written over where stderr is a terminal, else lines."""

    def figures() -> list[Figures]:
        return [camera.figures() for camera in cameras]

    if not sys.stderr.isatty():
        due = _PLAIN_EVERY_S

        def tell(elapsed: float) -> None:
            nonlocal due
            if elapsed >= due:
                due += _PLAIN_EVERY_S
                print(f"maskbus: {simulate_figures.line(figures(), elapsed)}", file=sys.stderr, flush=True)

        yield tell
        return
    from rich.console import Console
    from rich.live import Live

    # Gone at the end: what came of it is printed then.
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda elapsed: live.update(simulate_figures.table(figures(), rates=True), refresh=True)


def _write(arguments: argparse.Namespace) -> int:
    """Write the first camera's scene as a video, and the truth beside it."""
    from maskbus.simulator import clip
    from maskbus.simulator.scene import Scene

    path = Path(arguments.write)
    if path.suffix.lower() != ".mp4":
        raise CommandFailed(f"--write writes an .mp4 file, not {path}.")
    if not path.parent.is_dir():
        raise CommandFailed(f"--write {path}: there is no directory {path.parent}.")
    width, height = arguments.size
    count = max(1, round((arguments.seconds or _SECONDS_OF_CLIP) * arguments.fps))
    scene = Scene(width, height, seed=arguments.seed)
    done = 0

    def tell(number: int) -> None:
        nonlocal done
        done = number
        tick()

    with stream_progress.shown(path.name, count, lambda: (done, f"{done} of {count} frames")) as tick:
        try:
            clip.write(path, scene, arguments.fps, count, seed=arguments.seed, tell=tell)
        except clip.ClipFailed as failure:
            raise CommandFailed(str(failure)) from None
    point = scene.view(0.0).inside(1)
    assert point is not None
    print(f"written: {path}")
    print(f"written: {clip.truth_of(path)}")
    print(f"Its first object is at {point[0]:g},{point[1]:g} in the first frame.")
    return 0
