"""What a training is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.nano.settings import SETTINGS, read


def test_the_committed_settings_are_read() -> None:
    settings = read(SETTINGS)
    assert settings.size == 256
    assert settings.steps == sum(stage.steps for stage in settings.stages)
    assert all(sum(stage.rounds) == pytest.approx(1) for stage in settings.stages)
    assert settings.photos % settings.workers == 0
    assert all(stage.size % 32 == 0 for stage in settings.stages)


def test_each_step_has_its_stage() -> None:
    settings = read(SETTINGS)
    one = settings.stages[0]
    settings = replace(settings, stages=(replace(one, size=64, steps=3), replace(one, size=128, steps=2)))
    assert [settings.stage(step).size for step in range(6)] == [64, 64, 64, 128, 128, 128]
    assert (settings.steps, settings.size) == (5, 128)


def test_learning_rates_rise_stay_fall_and_begin_again_where_a_stage_says_so() -> None:
    settings = read(SETTINGS)
    one = replace(settings.stages[0], rate=0.0)
    stages = (replace(one, steps=6), replace(one, steps=4), replace(one, steps=2, rate=0.5))
    settings = replace(settings, stages=stages, warm_steps=2, decay_steps=5)
    found = [settings.part(step) for step in range(12)]
    assert found == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.5, 0.25])


def test_a_setting_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("lucky = 1\n" + SETTINGS.read_text())
    with pytest.raises(TypeError, match="lucky"):
        read(tmp_path / "s.toml")
