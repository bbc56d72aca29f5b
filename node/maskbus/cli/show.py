"""`maskbus describe`, `ping` and `stats`: ask a node one thing and print the answer."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from maskbus.cli import connection, screen, tables
from maskbus.cli.quantities import duration
from maskbus_client.sync import Client
from maskbus_wire.replies import Models, Pong


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    with connection.open_client(arguments.endpoint) as client:
        {"describe": _describe, "ping": _ping, "stats": _stats}[arguments.show](client, arguments)
    return 0


def _describe(client: Client, arguments: argparse.Namespace) -> None:
    reply = client.describe(deadline=arguments.deadline)
    if arguments.json:
        _print_json(msgspec.to_builtins(reply))
    else:
        _print_models(reply)


def _print_models(reply: Models) -> None:
    console = tables.console()
    table = tables.plain("model", "", "prompts", "multimask", "device", "weights", "licence")
    for model in reply.models:
        roles = {"default": model.default, "for texts": model.default_for_text}
        role = ", ".join(words for words, is_it in roles.items() if is_it)
        name = escape(model.name) + (f" [dim]({role})[/]" if role else "")
        mark = tables.YES if model.ready else tables.NO
        multimask = "yes" if model.multimask else "no"
        cells = [", ".join(model.prompts), multimask, model.device, model.weights, model.licence]
        table.add_row(name, mark, *map(escape, cells))
    console.print(table)
    if reply.routes:
        console.print()
        console.print(_routes(reply))
    lines = [""]
    for model in reply.models:
        lines.append(f"{model.name}: {model.title}")
        lines.append(f"  masks in {', '.join(model.encodings)}")
        can = {"find everything in a picture": model.everything, "follow objects through a video": model.tracks}
        if any(can.values()):
            lines.append(f"  can {' and '.join(words for words, able in can.items() if able)}")
        if not model.ready:
            lines.append(f"  cannot run: {model.missing}")
    lines += ["", f"images in {', '.join(reply.image_encodings)}"]
    lines.append("limits: " + ", ".join(f"{name} {value}" for name, value in reply.limits.items()))
    for line in lines:
        console.print(escape(line), soft_wrap=True)


def _routes(reply: Models) -> Table:
    ready = {model.name for model in reply.models if model.ready}
    table = tables.plain("route", "models, in this order", "predicted IoU", "time each")
    for route in reply.routes:
        names = (escape(name) if name in ready else f"[dim]{escape(name)}[/] {tables.NO}" for name in route.models)
        least = f"at least {route.min_predicted_iou:g}" if route.min_predicted_iou else "any"
        share = "even" if route.share is None else f"{100 * route.share:.0f} %"
        table.add_row(escape(route.name), ", ".join(names), least, share)
    return table


def _ping(client: Client, arguments: argparse.Namespace) -> None:
    pong, first_ms = _timed(client, arguments.deadline)
    # The first one opens the connection: it says how long that takes, not how far away the node is.
    times = [_timed(client, arguments.deadline)[1] for _ in range(arguments.count)]
    figures = {"min_ms": min(times), "median_ms": statistics.median(times), "max_ms": max(times)}
    if arguments.json:
        plain = {
            name: held for name, held in msgspec.to_builtins(pong).items() if name not in ("reply", "maskbus", "id")
        }
        _print_json({**plain, "endpoint": client.endpoint, "first_ms": first_ms, "round_trips_ms": times, **figures})
        return
    print(f"node {pong.node} at {client.endpoint}, maskbus {pong.version}, up {duration(pong.uptime_s)}")
    print(f"requests {' '.join(pong.endpoints)}, topics {' '.join(pong.publish_endpoints) or 'none'}")
    shortest, median, longest = figures.values()
    print(
        f"{len(times)} pings: {shortest:.2f} ms shortest, {median:.2f} ms median, {longest:.2f} ms longest "
        f"(connecting took {first_ms:.2f} ms)"
    )


def _timed(client: Client, deadline: float) -> tuple[Pong, float]:
    begin = time.perf_counter()
    pong = client.ping(deadline=deadline)
    return pong, (time.perf_counter() - begin) * 1e3


def _stats(client: Client, arguments: argparse.Namespace) -> None:
    reply = client.stats(deadline=arguments.deadline)
    if arguments.json:
        _print_json(msgspec.to_builtins(reply))
    else:
        tables.console().print(screen.frame(client.endpoint, reply))


def _print_json(plain: Any) -> None:
    print(json.dumps(plain, indent=2, ensure_ascii=False))
