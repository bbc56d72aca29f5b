"""A node of one's own: a child process that is talked to through one mapping, without any port."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

from maskbus_client import image_input
from maskbus_client.child_line import ChildLine
from maskbus_client.child_process import ChildProcess
from maskbus_client.core import Peer, Policy
from maskbus_client.errors import ChildDied, ClientClosed, DeadlineExceeded, NodeUnreachable
from maskbus_client.operations import Operations
from maskbus_client.steps import Connect, Event, Flow, Send
from maskbus_client.sync import Client, ImageHandle

if TYPE_CHECKING:
    from maskbus_client.arguments import Lane
    from maskbus_client.image_input import Color, Sendable

T = TypeVar("T")


class Child:
    """Run a node as a child process, and talk to it, blocking.

    The methods are those of `Client`. One request is under way at a time: threads that share a child take turns. The
    child ends with this process, however that ends.

    Args:
        model: The model, or the models, to offer; empty: every one that is installed.
        mapping: Bytes that a request and its reply have, half each: a number, or text such as "64MiB".
        deadline: Seconds a call may take, where it does not say otherwise; left out: 30, and 600 for `everything`.
        start_timeout: Seconds until the child must be ready.
        command: What to run; left out: `maskbus child` of this Python.
        arguments: Further flags of `maskbus child`.
        checksum: Whether each message is checked for what went wrong on its way through memory.

    Raises:
        ValueError: for a deadline that cannot be one.
        ChildDied: if the child does not come up.
    """

    def __init__(
        self,
        model: str | Sequence[str] = "",
        mapping: int | str = "32MiB",
        *,
        deadline: float | None = None,
        start_timeout: float = 60.0,
        command: Sequence[str] | None = None,
        arguments: Sequence[str] = (),
        checksum: bool = False,
    ) -> None:
        policy = Policy(retries=0).with_deadline(deadline)
        self._operations = Operations(Peer("the child", policy, heard=True, tells_progress=False))
        self._command = list(command or (sys.executable, "-m", "maskbus", "child"))
        self._command += ["--mapping", str(mapping)]
        for name in [model] if isinstance(model, str) else model:
            self._command += ["--model", name] if name else []
        self._command += arguments
        self._start_timeout = start_timeout
        self._checksum = checksum
        self._turn = threading.RLock()
        self._closed = False
        self._line: ChildLine | None = None
        self.restart()

    @property
    def pid(self) -> int:
        """Number of the child's process."""
        return self._current().process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    segment = Client.segment
    everything = Client.everything
    ping = Client.ping
    describe = Client.describe
    stats = Client.stats

    def image(
        self,
        image: Sendable,
        *,
        model: str = "",
        color: Color = "rgb",
        deadline: float | None = None,
        lane: Lane = "interactive",
    ) -> ImageHandle:
        """Have the child keep an image and compute its embedding; as `Client.image`."""
        handle = ImageHandle(cast(Client, self), image_input.own(image_input.prepare(image, color)), model)
        self._run(self._operations.keep(handle, deadline, lane))
        return handle

    def restart(self) -> None:
        """End the child, if it still lives, and start another one. Images that it kept are sent again by themselves.

        Raises:
            ChildDied: if it does not come up.
            ClientClosed: if this object has been closed.
        """
        with self._turn:
            if self._closed:
                raise ClientClosed("The child has been closed.")
            line, self._line = self._line, None
            if line is not None:
                line.close()
            self._line = ChildLine(ChildProcess(self._command, self._start_timeout), checksum=self._checksum)

    def close(self) -> None:
        """End the child. A call that waits in another thread raises ClientClosed."""
        self._closed = True
        line = self._line
        if line is not None:
            line.process.interrupt()
        with self._turn:
            line, self._line = self._line, None
            if line is not None:
                line.close()

    def _current(self) -> ChildLine:
        if self._closed:
            raise ClientClosed("The child has been closed.")
        if self._line is None:  # the last one did not come up
            self.restart()
        assert self._line is not None
        return self._line

    def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its end."""
        with self._turn:
            line = self._current()
            try:
                event: Event = None
                while True:
                    step = flow.send(event)
                    if isinstance(step, Send):
                        line.outgoing = step.frames
                        event = None
                    elif isinstance(step, Connect):
                        event = line.link
                    else:
                        event = line.wait(step.until)
            except StopIteration as stop:
                result: T = stop.value
                return result
            except NodeUnreachable:
                # Nothing was heard since the call began; but it is there, or its end would have been.
                raise DeadlineExceeded("The child did not answer in time.") from None
            except ChildDied:
                if self._closed:
                    raise ClientClosed("The child was closed while a call waited.") from None
                raise
            finally:
                line.outgoing = None
                flow.close()
