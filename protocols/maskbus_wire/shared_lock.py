"""The lock that tells a living holder of shared memory from a dead one (SPEC.md, section 17).

It is the operating system's, on an open file: any death frees it, kill -9 included. A client holds it shared for as
long as it has the file mapped; whoever can take it alone knows that nobody is left. Age plays no part.
"""

from __future__ import annotations

import sys
import time

if sys.platform == "win32":
    import ctypes
    import msvcrt

    _FAIL_AT_ONCE = 1
    _ALONE = 2
    _TAKEN = 33
    _PATIENCE = 2.0
    """Seconds that `hold` waits for whoever has the lock alone, which is a moment."""

    class _Where(ctypes.Structure):
        # OVERLAPPED. Locks of Windows keep others from reading and writing what they cover: this byte, at 2^40, lies
        # far behind the file's end. The C runtime's `locking` would not do: it knows 32 bits of the place.
        _fields_ = (
            ("internal", ctypes.c_void_p),
            ("internal_high", ctypes.c_void_p),
            ("offset", ctypes.c_uint32),
            ("offset_high", ctypes.c_uint32),
            ("event", ctypes.c_void_p),
        )

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.LockFileEx.argtypes = (ctypes.c_void_p, *[ctypes.c_uint32] * 4, ctypes.POINTER(_Where))
    _kernel.UnlockFileEx.argtypes = (ctypes.c_void_p, *[ctypes.c_uint32] * 3, ctypes.POINTER(_Where))

    def _lock(descriptor: int, flags: int) -> bool:
        """Lock the byte; False if somebody else has it."""
        where = _Where(offset_high=1 << 8)
        if _kernel.LockFileEx(msvcrt.get_osfhandle(descriptor), flags | _FAIL_AT_ONCE, 0, 1, 0, ctypes.byref(where)):
            return True
        code = ctypes.get_last_error()
        if code != _TAKEN:
            raise ctypes.WinError(code)
        return False

    def hold(descriptor: int) -> None:
        """Hold the lock until the descriptor is closed. OSError where it cannot be had."""
        until = time.monotonic() + _PATIENCE
        while not _lock(descriptor, 0):
            if time.monotonic() > until:
                raise ctypes.WinError(_TAKEN)
            time.sleep(0.001)

    def is_held(descriptor: int) -> bool:
        """Tell whether anybody else holds the lock."""
        if not _lock(descriptor, _ALONE):
            return True
        where = _Where(offset_high=1 << 8)
        _kernel.UnlockFileEx(msvcrt.get_osfhandle(descriptor), 0, 1, 0, ctypes.byref(where))
        return False
else:
    import fcntl

    def hold(descriptor: int) -> None:
        """Hold the lock until the descriptor is closed. OSError where it cannot be had."""
        fcntl.flock(descriptor, fcntl.LOCK_SH)

    def is_held(descriptor: int) -> bool:
        """Tell whether anybody else holds the lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False
