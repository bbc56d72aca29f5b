"""Wait for what no event tells of."""

import time
from collections.abc import Callable

PATIENCE = 30.0


def until(true: Callable[[], bool], what: str) -> None:
    """Look again and again until `true`; fail with `what` if it never is."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.005)
