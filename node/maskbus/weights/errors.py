"""What goes wrong with weights, in one sentence."""

from __future__ import annotations


class WeightsError(Exception):
    """Say what is wrong with a file of weights, or why it cannot be had, and what helps."""


class Damaged(WeightsError):
    """Say that a file is there and is not what it should be."""


class SourceFailed(WeightsError):
    """Say why one source did not give the file; another one may."""
