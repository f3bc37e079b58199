"""The grammar of udev rules, as systemd's udev-rules.c reads it."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """One ``KEY{attribute}op"value"`` of a rule; the value is unescaped.

    ``ignore_case`` stands for the ``i"…"`` prefix of systemd 258.
    """

    key: str
    attribute: str
    op: str
    value: str
    ignore_case: bool = False


class Rule(NamedTuple):
    """One rule: line numbers (from 1), the exact text, terms, why it is dropped.

    ``raw`` holds the text of all its lines without the last line end.
    """

    first: int
    last: int
    raw: str
    terms: tuple[Term, ...]
    problem: str = ""


class RuleFile(NamedTuple):
    """The rules of one file in order; ``problems`` has one text a dropped rule."""

    lines: tuple[Rule, ...]
    problems: tuple[str, ...]
