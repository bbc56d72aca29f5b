"""Import handlers and say what they are: `python -m maskbus.handlers.probe`, one JSON line in, one out for each.

It runs in a process of its own, so that the node neither imports what a plugin imports nor shares its fate.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from maskbus.handlers.registry import load_class
from maskbus.interfaces import Handler, LoadContext


def describe(handler: type[Handler], context: LoadContext) -> dict[str, Any]:
    """Return what a node tells of a model, as plain values."""
    info = handler.info
    availability = handler.availability(context)
    return {
        "title": info.title,
        "prompts": sorted(info.prompts),
        "licence": info.licence,
        "multimask": info.multimask,
        "has_logits": info.has_logits,
        "cache_embeddings": info.cache_embeddings,
        "cache_results": info.cache_results,
        "tracks": info.tracks,
        "offered": info.offered,
        "homepage": info.homepage,
        "ready": availability.ready,
        "missing": availability.missing,
        "weights": availability.weights,
    }


def main() -> int:
    """Answer requests from standard input until it ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        questions = [json.loads(line) for line in sys.stdin]
        # What a plugin reads or prints while it is imported must not mix with questions and answers.
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        for question in questions:
            print(json.dumps(_answer(question)), file=answers, flush=True)
    return 0


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    context = LoadContext(
        model=request["name"],
        device=request["device"],
        threads=request["threads"],
        weights_dir=Path(request["weights_dir"]),
        options=request["options"],
    )
    try:
        card = describe(load_class(request["target"]), context)
    except Exception as error:
        return {"name": request["name"], "error": " ".join(f"{type(error).__name__}: {error}".split())}
    return {"name": request["name"], "card": card}


if __name__ == "__main__":
    sys.exit(main())
