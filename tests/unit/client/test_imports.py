from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import maskbus_client

# What only a node needs, or only a caller who looks at pictures.
HEAVY = ("torch", "cv2", "PIL", "asyncio", "maskbus")

MEASURE = """
import sys, time
before = time.perf_counter()
import maskbus_client
spent = time.perf_counter() - before
from maskbus_client import {name}
print(spent, *[module for module in {heavy} if module in sys.modules])
"""


@pytest.mark.parametrize(
    ("name", "heavy"), [("Client", HEAVY), ("AsyncClient", tuple(m for m in HEAVY if m != "asyncio")), ("Mask", HEAVY)]
)
def test_the_import_is_quick_and_pulls_nothing_heavy(name, heavy):
    code = MEASURE.format(name=name, heavy=heavy)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert answer[1:] == []
    assert float(answer[0]) < 0.1


def test_every_name_is_there():
    for name in maskbus_client.__all__:
        assert getattr(maskbus_client, name).__name__ == name
    assert set(maskbus_client.__all__) <= set(dir(maskbus_client))
    with pytest.raises(AttributeError, match="no attribute 'Node'"):
        maskbus_client.Node  # noqa: B018
    errors = importlib.import_module("maskbus_client.errors")
    named = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert named <= set(maskbus_client.__all__)
