"""Read the golden messages, and replay the dialogs."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[2] / "protocols" / "vectors"


@functools.cache
def load(folder):
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((VECTORS / folder).glob("*.json"))]


GROUPS = {
    "valid": ("valid", lambda vector: True),
    "published": ("valid", lambda vector: vector["kind"] == "published"),
    "with_pixels": ("valid", lambda vector: "pixels" in vector),
    "with_masks": ("valid", lambda vector: "masks" in vector),
    "with_logits": ("valid", lambda vector: "logits" in vector),
    "invalid": ("invalid", lambda vector: True),
    "invalid_request": ("invalid", lambda vector: vector["kind"] == "request" and "limits" not in vector),
    "dialog": ("dialogs", lambda vector: True),
    "shared": ("shared", lambda vector: True),
}
"""Group → the folder, and which of its vectors belong to it."""


@pytest.fixture(scope="session")
def every():
    """Hold a check against every vector of a group, and tell all those that fail by name.

    One test for the group: there are thousands of vectors, and to report each takes longer than to check it.
    """

    def hold(group, check):
        folder, wanted = GROUPS[group]
        vectors = [vector for vector in load(folder) if wanted(vector)]
        assert vectors, group
        failed = []
        for vector in vectors:
            try:
                check(vector)
            except (Exception, pytest.fail.Exception) as error:
                print(f"{group} {vector['name']}: {type(error).__name__}: {error}\n")
                if "pytest-timeout" in str(error):
                    raise
                failed.append(vector["name"])
        assert not failed, f"{len(failed)} of {len(vectors)} vectors"

    return hold


@pytest.fixture(scope="session")
def vectors_folder():
    return VECTORS


@pytest.fixture
def run_generator():
    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(VECTORS / "generate.py"), *arguments], capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="session")
def replay():
    return Replay


class Replay:
    """Go through a dialog with a peer.

    A peer has `send(multipart)` and `receive() -> multipart`, both with the delimiter, as a DEALER socket has them; and
    `subscribe(prefix)` and `receive_published() -> multipart`, as a SUB socket has them. Each raises on a time-out.
    """

    def __init__(self, peer):
        from maskbus_wire import header
        from maskbus_wire.limits import DEFAULT_LIMITS

        self._pack = header.pack
        self._unpack = lambda frame: header.unpack(frame, DEFAULT_LIMITS)
        self._peer = peer
        self._saved = {}
        self._aside = []

    def run(self, dialog):
        for number, step in enumerate(dialog["steps"]):
            ((kind, content),) = step.items()
            getattr(self, f"_{kind}")(content, f"{dialog['name']}, step {number}")

    def _send(self, content, _where):
        if "multipart" in content:
            self._peer.send([bytes.fromhex(frame["$hex"]) for frame in content["multipart"]])
            return
        attachments = [bytes.fromhex(part["$hex"]) for part in content["attachments"]]
        self._peer.send([b"", self._pack(self._fill(content["header"])), *attachments])

    def _receive(self, content, where):
        delimiter, header, *attachments = self._peer.receive()
        assert delimiter == b"", where
        while self._unpack(header).get("reply") == "progress":
            delimiter, header, *attachments = self._peer.receive()
        self._compare(content, header, attachments, where)

    def _subscribe(self, prefix, _where):
        self._peer.subscribe(prefix)

    def _published(self, content, where):
        wanted = content["topic"].encode()
        while wanted not in (found := [topic for topic, *_ in self._aside]):
            self._aside.append(self._peer.receive_published())
        _, header, *attachments = self._aside.pop(found.index(wanted))
        self._compare(content, header, attachments, where)

    def _compare(self, content, header, attachments, where):
        plain = self._unpack(header)
        self._match(content["header"], plain, f"{where}: header")
        assert [bytes(part).hex() for part in attachments] == [part["$hex"] for part in content["attachments"]], where

    def _fill(self, value):
        if isinstance(value, dict):
            if "$hex" in value:
                return bytes.fromhex(value["$hex"])
            if "$use" in value:
                return self._saved[value["$use"]]
            return {key: self._fill(item) for key, item in value.items()}
        return [self._fill(item) for item in value] if isinstance(value, list) else value

    def _match(self, wanted, found, where):
        kinds = {"text": str, "int": int, "float": (int, float), "list": list, "map": dict, "absent": type(None)}
        if isinstance(wanted, list):
            assert isinstance(found, list), f"{where} is {found!r}"
            assert len(found) == len(wanted), f"{where} has {len(found)} entries, not {len(wanted)}"
            for i, item in enumerate(wanted):
                self._match(item, found[i], f"{where}[{i}]")
        elif not isinstance(wanted, dict):
            assert found == wanted, f"{where} is {found!r}, not {wanted!r}"
        elif "$hex" in wanted:
            assert found == bytes.fromhex(wanted["$hex"]), f"{where} is {found!r}"
        elif "$any" in wanted:
            assert isinstance(found, kinds[wanted["$any"]]), f"{where} is {found!r}, not {wanted['$any']}"
        elif "$save" in wanted:
            assert isinstance(found, str), f"{where} is {found!r}"
            self._saved[wanted["$save"]] = found
        else:
            assert isinstance(found, dict), f"{where} is {found!r}"
            for key, item in wanted.items():
                self._match(item, found.get(key), f"{where}.{key}")
