"""The documentation of a struct's fields, read from its source: it stands in one place only."""

from __future__ import annotations

import ast
import inspect
import textwrap


def of(kind: type) -> dict[str, str]:
    """Return field → its documentation, those of the classes it is made from among them."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        found |= _own(one)
    return found


def _own(kind: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError):  # built in, or a distribution without sources
        return {}
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif name and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            found[name] = " ".join(str(statement.value.value).split())
            name = ""
    return found
