"""What a training is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.nano.settings import SETTINGS, read


def test_the_committed_settings_are_read() -> None:
    settings = read(SETTINGS)
    assert settings.size == 256
    assert settings.steps == sum(steps for _, steps in settings.stages)
    assert sum(settings.rounds) == pytest.approx(1)
    assert settings.photos % settings.workers == 0
    assert all(size % 32 == 0 for size, _ in settings.stages)


def test_each_step_has_its_stage_s_size(tmp_path: Path) -> None:
    lines = [line for line in SETTINGS.read_text().splitlines() if not line.startswith("stages")]
    (tmp_path / "s.toml").write_text("\n".join([*lines, "stages = [[64, 3], [128, 2]]"]))
    settings = read(tmp_path / "s.toml")
    assert [settings.size_at(step) for step in range(6)] == [64, 64, 64, 128, 128, 128]
    assert (settings.steps, settings.size) == (5, 128)


def test_a_setting_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SETTINGS.read_text() + "\nlucky = 1\n")
    with pytest.raises(TypeError, match="lucky"):
        read(tmp_path / "s.toml")
