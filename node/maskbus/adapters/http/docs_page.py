"""The description of the gateway for people: one page of plain HTML, that loads nothing."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from maskbus.adapters.http import openapi
from maskbus.adapters.http.problems import OWN, STATUSES
from maskbus_wire.errors import CODES

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #8884; }
pre, code { font: 13px/1.45 ui-monospace, monospace; }
pre { background: #8881; border-radius: 6px; padding: .8rem 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1.2rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8883; }
td:first-child { white-space: nowrap; } .verb { font-weight: 700; text-transform: uppercase; margin-right: .5rem; }
.type { color: #888; }
"""
EXAMPLES = {
    "/segment": """\
curl -s '{base}/segment?points=320,240' -H 'Content-Type: image/jpeg' --data-binary @photo.jpg

curl -s {base}/segment -F image=@photo.jpg -F 'points=[[320, 240, true], [20, 20, false]]' -F encoding=rle

curl -s {base}/segment -F image=@photo.jpg -F boxes=40,60,300,400 -H 'Accept: image/png' -o mask.png

printf '{{"image": "%s", "points": [[320, 240, true]]}}' "$(base64 -w0 photo.jpg)" |
  curl -s {base}/segment -H 'Content-Type: application/json' --data-binary @-""",
    "/embed": "curl -s {base}/embed -F image=@photo.jpg",
    "/models": "curl -s {base}/models",
    "/readyz": "curl -s {base}/readyz",
}

_WORDS = {"malformed": "The body is no JSON, or no form."}


def page(base: str) -> str:
    """Return the page; `base` is the address that its examples ask, such as http://127.0.0.1:5000."""
    document = openapi.document()
    schemas = document["components"]["schemas"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>maskbus over HTTP</title><style>{_STYLE}</style>",
        f"<h1>maskbus over HTTP</h1><p>{escape(document['info']['description'])} Version "
        f"{escape(document['info']['version'])}; for programs: <a href=openapi.json>openapi.json</a>.",
        "<nav><ul>",
        *(f"<li><a href='#{_anchor(path)}'><code>{escape(path)}</code></a>" for path in document["paths"]),
        "<li><a href='#errors'>errors</a><li><a href='#schemas'>structures</a></ul></nav>",
    ]
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            parts += _operation(path, verb, operation, base)
    parts += [
        "<h2 id=errors>Errors</h2>",
        "<p>Every one of them is a <a href='#Problem'>Problem</a>: one sentence, a code, and the field that is wrong. "
        "With 503, <code>Retry-After</code> says when it may be worth another try.</p>",
        *_errors(),
        "<h2 id=schemas>Structures</h2>",
    ]
    for name in schemas:
        parts += _schema(name, schemas[name])
    return "\n".join(parts)


def _anchor(path: str) -> str:
    return escape(path.strip("/").replace("/", "-") or "root", quote=True)


def _operation(path: str, verb: str, operation: dict[str, Any], base: str) -> list[str]:
    parts = [
        f"<h2 id='{_anchor(path)}'><span class=verb>{verb}</span><code>{escape(path)}</code></h2>",
        f"<p>{escape(operation['summary'])}. {escape(operation.get('description', ''))}</p>",
    ]
    if path in EXAMPLES:
        parts.append(f"<pre>{escape(EXAMPLES[path].format(base=base))}</pre>")
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        kinds = ", ".join(f"<code>{escape(media)}</code>" for media in content)
        parts.append(f"<p>Body: {kinds}; {_kind(next(iter(content.values()))['schema'])}.</p>")
    answers = operation["responses"]["200"]["content"].items()
    kinds = ", ".join(f"<code>{escape(media)}</code> ({_kind(one['schema'])})" for media, one in answers)
    return [*parts, f"<p>Answer: {kinds}.</p>"]


def _errors() -> list[str]:
    codes = [(status, code, _WORDS.get(code, CODES[code])) for code, status in STATUSES.items()]
    codes += [(status, code, words) for code, (status, words) in OWN.items()]
    rows = [f"<tr><td>{status}<td><code>{code}</code><td>{_prose(words)}" for status, code, words in sorted(codes)]
    return ["<table><tr><th>status<th>code<th>meaning", *rows, "</table>"]


def _schema(name: str, schema: dict[str, Any]) -> list[str]:
    required = set(schema.get("required", ()))
    rows = []
    for field, one in schema.get("properties", {}).items():
        mark = "" if field in required else " <span class=type>may be left out</span>"
        rows.append(
            f"<tr><td><code>{escape(field)}</code><td class=type>{_kind(one)}<td>"
            f"{_prose(one.get('description', ''))}{mark if 'Body' in name else ''}"
        )
    words = escape(schema.get("description", ""))
    return [
        f"<h3 id='{escape(name, quote=True)}'>{escape(name)}</h3><p>{words}</p>",
        "<table><tr><th>field<th>type<th>meaning",
        *rows,
        "</table>",
    ]


def _prose(text: str) -> str:
    """Return text as HTML, with code where it stands between backticks."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _kind(schema: dict[str, Any]) -> str:
    """Return a schema's type in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2], quote=True)
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(escape(str(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        items: dict[str, Any] = schema.get("items") or next(iter(schema.get("prefixItems", ())), {})
        return f"list of {_kind(items)}" if items else "list"
    return escape(str(schema.get("contentEncoding") or schema.get("type", "anything")))
