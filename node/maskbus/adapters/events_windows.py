"""A pair of named events as the bell, for programs of Windows that have such already (SPEC.md, section 18).

`NAME.request` is set by the parent, `NAME.reply` by the child; both are reset automatically, and made by whoever comes
first. An event says neither who set it nor for what: its name is the secret.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any, Final

from maskbus.socket_pair import socket_pair

_INFINITE: Final = 0xFFFFFFFF
_SIGNALLED: Final = 0
_ADDRESS: Final = "events:"
_LONGEST_NAME: Final = 200


class NoEvents(Exception):
    """Say why there is no such pair of events."""


class EventsBell:
    """Two named events. A thread waits for the one, as no poller can."""

    def __init__(self, name: str) -> None:
        """Make or open both.

        Raises:
            NoEvents: if the system has no named events, or not under this name.
        """
        if os.name != "nt":
            raise NoEvents("There are named events on Windows only: leave --events out, the ready line names the bell.")
        if not 0 < len(name) <= _LONGEST_NAME:
            raise NoEvents(f"The name of the events must have 1 to {_LONGEST_NAME} characters.")
        self._kernel = _kernel()
        self._request = self._event(f"{name}.request")
        try:
            self._reply = self._event(f"{name}.reply")
            self._end = self._event(None)
        except BaseException:
            self._kernel.CloseHandle(self._request)
            raise
        self.address = _ADDRESS + name
        self.pollable, self._heard = socket_pair()
        self.pollable.setblocking(False)
        self._thread = threading.Thread(target=self._wait, name="maskbus events", daemon=True)
        self._thread.start()

    def hear(self) -> list[int | None]:
        """Return one None if the request's event was set; an event does not say for what."""
        try:
            return [None] if self.pollable.recv(256) else []
        except BlockingIOError:
            return []

    def ring(self, generation: int) -> None:
        """Set the reply's event."""
        self._kernel.SetEvent(self._reply)

    def close(self) -> None:
        """Let go of both."""
        self._kernel.SetEvent(self._end)
        self._thread.join()
        for handle in (self._request, self._reply, self._end):
            self._kernel.CloseHandle(handle)
        self.pollable.close()
        self._heard.close()

    def _event(self, name: str | None) -> int:
        handle: int | None = self._kernel.CreateEventW(None, False, False, name)
        if not handle:
            raise NoEvents(f"The event {name} cannot be had: error {_last_error()} of the system.")
        return handle

    def _wait(self) -> None:
        handles = (ctypes.c_void_p * 2)(self._request, self._end)
        while self._kernel.WaitForMultipleObjects(2, handles, False, _INFINITE) == _SIGNALLED:
            self._heard.send(b"r")


def _last_error() -> int:
    code: int = ctypes.get_last_error()  # type: ignore[attr-defined,unused-ignore]
    return code


def _kernel() -> Any:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    handle, word, truth = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int
    kernel.CreateEventW.argtypes = (handle, truth, truth, ctypes.c_wchar_p)
    kernel.CreateEventW.restype = handle
    kernel.SetEvent.argtypes = kernel.CloseHandle.argtypes = (handle,)
    kernel.WaitForMultipleObjects.argtypes = (word, handle, truth, word)
    kernel.WaitForMultipleObjects.restype = word
    return kernel
