"""Every text for the person is a message with an id of its own (docs/design.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from architecture.test_layers import modules, name_of

FIELD = re.compile(r"\{(\w*)\}")
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Said(NamedTuple):
    place: str
    id: str
    template: str
    given: frozenset[str] | None


def calls(path_name: str, tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "say":
            yield f"{path_name}:{node.lineno}", node


def literal(node: ast.expr) -> str | None:
    held = node.value if isinstance(node, ast.Constant) else None
    return held if isinstance(held, str) else None


def all_said() -> Iterator[Said]:
    for path in modules():
        name = name_of(path)
        for place, call in calls(name, ast.parse(path.read_text(encoding="utf-8"))):
            texts = [literal(arg) for arg in call.args]
            assert len(texts) == 2, f"{place}: say(id, template, name=value, ...)"
            assert all(texts), f"{place}: id and template are literals"
            keywords = [k.arg for k in call.keywords]
            given = None if None in keywords else frozenset(map(str, keywords))
            yield Said(place, str(texts[0]), str(texts[1]), given)


SAID = list(all_said())


def test_ids_are_unique_and_well_formed() -> None:
    assert [s for s in SAID if not ID.fullmatch(s.id)] == []
    first: dict[str, Said] = {}
    doubled = []
    for said in SAID:
        known = first.setdefault(said.id, said)
        if known is not said:
            doubled.append(f"{said.id}: {known.place} and {said.place}")
    assert doubled == []


@pytest.mark.parametrize("said", SAID, ids=lambda said: said.id)
def test_fields_are_given(said: Said) -> None:
    fields = set(FIELD.findall(said.template))
    # A message without values is a prototype: `filled` gives them.
    if said.given:
        assert said.given == fields, said.place
    assert said.template.strip() == said.template, said.place
