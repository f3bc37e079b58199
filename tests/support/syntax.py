"""The syntax of the program's modules: each is parsed once for all tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Return all that a module is made of."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
