"""What `describe` prints."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from maskbus.cli import show, tables
from maskbus_wire.replies import Model, Models, RouteInfo


def model(name: str, **known: Any) -> Model:
    plain: dict[str, Any] = {"title": name.title(), "prompts": ["points"], "encodings": ["rle"], "weights": "present"}
    return Model(name=name, **{"ready": True, "licence": "Apache-2.0", **plain, **known})


@pytest.mark.parametrize("width", [80, 120])
def test_models_and_routes(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    models = [
        model("grabcut", default=True),
        model("text", prompts=["text"], default_for_text=True),
        model("fastsam", licence="Apache-2.0 AND AGPL-3.0-only", ready=False, missing="Its [weights] are missing."),
    ]
    routes = [
        RouteInfo(name="auto", models=["fastsam", "mobile-sam", "grabcut"], min_predicted_iou=0.0),
        RouteInfo(name="[b]mine[/]", models=["grabcut"], min_predicted_iou=0.5, share=0.25),
    ]
    monkeypatch.setattr(tables, "console", lambda: Console(width=width, highlight=False))
    show._print_models(Models(models=models, routes=routes, image_encodings=["rgb8"], limits={"side": 7}))
    text = capsys.readouterr().out
    assert "…" not in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for words in (
        "grabcut (default) ✓",
        "text (for texts) ✓",
        "fastsam ✗",
        "auto fastsam ✗, mobile-sam ✗, grabcut any even",
        "[b]mine[/] grabcut at least 0.5 25 %",
        "cannot run: Its [weights] are missing.",
    ):
        assert any(line.startswith(words) for line in lines), text
    assert "AGPL-3.0" in text


def test_a_node_without_routes_has_no_table_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    show._print_models(Models(models=[model("echo")], image_encodings=[], limits={}))
    assert "route" not in capsys.readouterr().out
