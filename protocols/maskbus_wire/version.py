"""The wire's own version, apart from the package's."""

MAJOR = 1
MINOR = 4
VERSION = f"{MAJOR}.{MINOR}"
"""Stands in every message under the key `maskbus`."""
SPOKEN = (VERSION,)
"""Versions this code speaks; sent along with `unsupported_version`."""


def major_of(version: object) -> int | None:
    """Return the major number of a version string such as "1.0", or None if it is no such string."""
    numbers = _numbers(version)
    return None if numbers is None else numbers[0]


def minor_of(version: object) -> int | None:
    """Return the minor number of a version string such as "1.0", or None if it is no such string."""
    numbers = _numbers(version)
    return None if numbers is None else numbers[1]


def _numbers(version: object) -> tuple[int, int] | None:
    if not isinstance(version, str):
        return None
    major, dot, minor = version.partition(".")
    if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        return None
    if len(version) > 16:
        return None
    return int(major), int(minor)
