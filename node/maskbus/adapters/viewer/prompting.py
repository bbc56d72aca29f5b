"""What clicks and boxes on the page become: the prompt that a stream has from then on, or objects to follow."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from maskbus.adapters.viewer import commands
from maskbus.adapters.viewer.commands import AnyStreamCommand
from maskbus.adapters.viewer.line import Line
from maskbus_wire.prompts import Prompt
from maskbus_wire.replies import StreamInfo, StreamUpdated
from maskbus_wire.requests import StreamUpdate, TrackedObject

PATIENCE = 30.0
"""Seconds that the node may take for a change: a tracker answers when its model has looked."""


@dataclass(frozen=True)
class Click:
    """One thing that was pointed at."""

    point: tuple[float, float] | None = None
    label: int = 1
    box: tuple[float, float, float, float] | None = None


@dataclass
class Standing:
    """The clicks on a stream that does not track: all of them together are its prompt."""

    clicks: list[Click] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the node is asked, so that two clicks do not take each other's place."""


class Prompter:
    """Tell the node what was pointed at."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._standing: defaultdict[str, Standing] = defaultdict(Standing)

    def shown(self, stream: str) -> list[dict[str, Any]]:
        """Return the clicks that a stream's prompt consists of, as the page draws them."""
        clicks = self._standing[stream].clicks if stream in self._standing else []
        return [{"box": one.box} if one.box else {"point": one.point, "label": one.label} for one in clicks]

    def forget(self, stream: str) -> None:
        """Forget a stream's clicks: it has begun anew, and does not know of them."""
        self._standing.pop(stream, None)

    async def obey(self, command: AnyStreamCommand, info: StreamInfo, *, needs_prompt: bool) -> str:
        """Carry a command out; return what there is to say about it, one sentence or nothing.

        Args:
            command: What the page wants.
            info: The stream that it is about.
            needs_prompt: Whether its model can do nothing without a prompt.

        Raises:
            MaskbusError: what the node says against it; nothing has changed then.
        """
        return await (self._follow(command, info) if info.track else self._point(command, info, needs_prompt))

    async def _follow(self, command: AnyStreamCommand, info: StreamInfo) -> str:
        name = info.stream
        if isinstance(command, commands.Remove):
            await self._update(StreamUpdate(stream=name, remove=[command.object]))
            return f"Object {command.object} is followed no longer."
        if isinstance(command, (commands.Point, commands.Box)):
            number = 1 if command.object is None else command.object
            prompt = _prompt([_click(command)])
            reply = await self._update(
                StreamUpdate(stream=name, objects=[TrackedObject(object_id=number, prompt=prompt)])
            )
            at = "the next frame" if reply.seq is None else f"frame {reply.seq}"
            return f"Object {number} is followed as shown in {at}."
        return "This stream follows objects: Delete removes the chosen one."

    async def _point(self, command: AnyStreamCommand, info: StreamInfo, needs_prompt: bool) -> str:
        if isinstance(command, commands.Remove):
            return "This stream does not follow objects: Backspace takes a click back."
        standing = self._standing[info.stream]
        async with standing.turn:
            clicks = standing.clicks
            if isinstance(command, (commands.Point, commands.Box)):
                added = _click(command)
                # With points there is one box at most: a new one takes the place of the last.
                kept = [one for one in clicks if not (one.box and added.box)]
                wanted = [*kept, added]
            elif not clicks:
                return "There are no clicks to take back."
            else:
                wanted = clicks[:-1] if isinstance(command, commands.Back) else []
            if not wanted and needs_prompt:
                standing.clicks = []
                return f"{info.model} needs a prompt and keeps the last one; the next click begins anew."
            await self._update(StreamUpdate(stream=info.stream, prompt=_prompt(wanted)))
            standing.clicks = wanted
        return ""

    async def _update(self, request: StreamUpdate) -> StreamUpdated:
        return await self._line.ask(request, StreamUpdated, PATIENCE)


def _click(command: commands.Point | commands.Box) -> Click:
    if isinstance(command, commands.Box):
        return Click(box=command.box)
    return Click(point=(command.x, command.y), label=command.label)


def _prompt(clicks: list[Click]) -> Prompt:
    points = [one for one in clicks if one.point is not None]
    return Prompt(
        points=[one.point for one in points if one.point is not None],
        labels=[1 if one.label else 0 for one in points],
        boxes=[one.box for one in clicks if one.box is not None],
    )
