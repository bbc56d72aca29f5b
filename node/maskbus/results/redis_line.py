"""The connection to a redis, with what goes wrong there told apart. Used by one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from maskbus.results.store import StoreError

if TYPE_CHECKING:
    import redis

PREFIX = "maskbus:1:"
"""What our keys begin with. The number is that of the values' layout."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a value that are read at most: a redis may hold what others have put there."""
_PATIENCE_S = 1.0
"""How long the system may take for one step: to connect, to send a command, to receive a piece of its answer."""
_REASON_CHARS = 200


class CannotAsk(Exception):
    """Say why a redis does not answer, or not us."""


class Refused(Exception):
    """Say why a redis that answers does not take a value."""


class Foreign(Exception):
    """Say that what is there is none of ours: another type of value, or larger than anything that we keep."""


class RedisLine:
    """Read and write values. Connects by itself, again and again; every failure is one of the three above."""

    def __init__(self, url: str) -> None:
        """Note where the redis is. Nothing is sent yet.

        Args:
            url: `redis://[[user]:password@]host[:port][/db]`, `rediss://…`, or `unix://[[user]:password@]path[?db=N]`.

        Raises:
            StoreError: for a URL that is none, or where the package `redis` is not installed.
        """
        try:
            import redis
        except ImportError:
            raise StoreError("The package redis is not installed; pip install 'maskbus[redis]' brings it.") from None
        self.name = _name_of(url)
        """The URL without user and password, for people."""
        self._redis = redis
        self._client, self._password = _client(url, self.name)

    def probe(self) -> None:
        """Find out whether values can be read. CannotAsk if not."""
        with self._failures():
            self._client.getrange(f"{PREFIX}probe", 0, 0)

    def read(self, key: str) -> bytes | None:
        """Return the value under `key`, or None if there is none. CannotAsk, Foreign."""
        with self._failures():
            try:
                # One byte more than is wanted shows that a value is too large; a key that is not there reads as b"".
                data: Any = self._client.getrange(PREFIX + key, 0, LARGEST)
            except self._redis.ResponseError as error:
                if str(error).startswith("WRONGTYPE"):
                    raise Foreign from None
                raise
        if len(data) > LARGEST:
            raise Foreign
        return bytes(data) or None

    def write(self, key: str, data: bytes, ttl_s: float) -> None:
        """Put a value under `key` for `ttl_s` seconds; 0: for as long as the redis likes. CannotAsk, Refused."""
        with self._failures():
            try:
                self._client.set(PREFIX + key, data, px=max(1, round(ttl_s * 1e3)) if ttl_s else None)
            except self._redis.ResponseError as error:  # it is full, read-only, or does not let us
                raise Refused(self._reason(error)) from None

    def close(self) -> None:
        """Disconnect."""
        self._client.close()
        self._client.connection_pool.disconnect()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (Refused, Foreign):
            raise
        except Exception as error:  # redis-py lets some of the system's through, such as UnicodeError for a host's name
            raise CannotAsk(self._reason(error)) from None

    def _reason(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        if self._password:  # a server that is no redis may say again what it was told
            text = text.replace(self._password, "…")
        return text[:_REASON_CHARS].rstrip(".")


def _name_of(url: str) -> str:
    with contextlib.suppress(ValueError):  # whose text has a part of the URL in it, and that may be of the password
        parts = urlsplit(url)
        misplaced = "@" in parts.path + parts.query + parts.fragment  # of a password that should have been quoted
        if parts.scheme == "unix" and parts.path and not misplaced:
            return f"unix://{parts.path}"
        database = parts.path.strip("/")
        if parts.scheme in {"redis", "rediss"} and parts.hostname and not misplaced and (database or "0").isdecimal():
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            return f"{parts.scheme}://{host}:{parts.port or 6379}/{database or 0}"
    raise StoreError("redis_url is no URL of a redis; write redis://127.0.0.1:6379/0, say.")


def _client(url: str, name: str) -> tuple[redis.Redis, str]:
    import redis
    from redis.backoff import NoBackoff
    from redis.connection import Connection, parse_url
    from redis.retry import Retry

    try:
        options: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
        kind = options.pop("connection_class", Connection)
        options |= {
            "socket_timeout": _PATIENCE_S,
            "socket_connect_timeout": _PATIENCE_S,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
            "decode_responses": False,
            "protocol": 2,
        }
        kind(**options)  # does not connect, but shows that its options are good
        pool = redis.ConnectionPool(connection_class=kind, max_connections=1, **options)
    except Exception:  # whose text may have the password in it
        raise StoreError(f"redis_url ({name}) has something behind its ? that is not understood.") from None
    return redis.Redis(connection_pool=pool), options.get("password") or ""
