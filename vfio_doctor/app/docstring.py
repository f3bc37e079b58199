"""Docstrings as every Python shows them: the one place that takes off the margin.

Python 3.13 and later strip the indentation of docstrings when they compile, older
ones keep it. What help, pages and documents are made of passes through here.
"""

from __future__ import annotations


def dedented(docstring: str | None) -> list[str]:
    """Return a docstring's lines as PEP 257 trims them; inspect is dear to import."""
    first, *rest = (docstring or "").expandtabs().splitlines() or [""]
    margins = [len(line) - len(line.lstrip()) for line in rest if line.strip()]
    margin = min(margins, default=0)
    return trimmed([first.strip(), *(line[margin:].rstrip() for line in rest)])


def trimmed(lines: list[str]) -> list[str]:
    """Return the lines without empty ones at either end."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    while lines and not lines[0]:
        lines = lines[1:]
    return lines
