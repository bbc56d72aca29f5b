"""Let drawn cases take as long as they take: a time that is held against them says something of the machine alone."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
