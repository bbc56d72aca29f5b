"""The name of a question: a digest of all that its answer depends on."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

import maskbus
from maskbus_wire.version import VERSION

_Write = Callable[[bytes], None]
_Bytes = bytes | bytearray | memoryview


def key_of(parts: Mapping[str, Any]) -> str:
    """Return the key of a question, 40 hexadecimal digits. Those of other versions of wire or package are others.

    Args:
        parts: All that the answer depends on, by name: None, bool, int, float, text, bytes, lists, maps with text keys,
            the wire's own structs, and what else msgspec knows (dates in a model's options, say). The order of a
            map's entries does not matter; a tuple is a list. 1, 1.0, True and "1" differ, as do 0.0 and -0.0.

    Raises:
        TypeError: for any other value.
    """
    digest = blake2b(digest_size=20)
    _write([VERSION, maskbus.__version__, parts], digest.update)
    return digest.hexdigest()


def _write(value: Any, write: _Write) -> None:
    """Write a value such that no two values are written alike: its kind, its length, and what it consists of."""
    if value is None or isinstance(value, bool):
        write(b"n" if value is None else b"t" if value else b"f")
    elif isinstance(value, int):
        _sized(b"i", b"%x" % value, write)
    elif isinstance(value, float):
        write(b"d" + struct.pack("<d", value))
    elif isinstance(value, str):
        _sized(b"s", value.encode(errors="surrogatepass"), write)
    elif isinstance(value, _Bytes):
        _sized(b"b", value, write)
    elif isinstance(value, (list, tuple)):
        write(b"l%d:" % len(value))
        for one in value:
            _write(one, write)
    elif isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("A map with keys that are not text cannot be part of a key.")
        write(b"m%d:" % len(value))
        for name in sorted(value):
            _write(name, write)
            _write(value[name], write)
    else:
        plain = msgspec.to_builtins(value, builtin_types=(bytes,), order="deterministic")
        if type(plain) is type(value):
            raise TypeError(f"{type(value).__name__} cannot be part of a key.")
        _sized(b"o", type(value).__qualname__.encode(), write)
        _write(plain, write)


def _sized(kind: bytes, content: _Bytes, write: _Write) -> None:
    view = memoryview(content).cast("B")
    write(kind + b"%d:" % view.nbytes)
    write(view)  # type: ignore[arg-type]
