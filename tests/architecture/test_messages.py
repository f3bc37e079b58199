"""Every text for the person is a message with an id of its own (docs/design.md)."""

from __future__ import annotations

import re

from support.templates import Said, all_said

FIELD = re.compile(r"\{(\w*)\}")
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def test_ids_are_unique_and_well_formed() -> None:
    assert [s for s in all_said() if not ID.fullmatch(s.id)] == []
    first: dict[str, Said] = {}
    doubled = []
    for said in all_said():
        known = first.setdefault(said.id, said)
        if known is not said:
            doubled.append(f"{said.id}: {known.place} and {said.place}")
    assert doubled == []


def test_fields_are_given() -> None:
    # A message without values is a prototype: `filled` gives them.
    given = [
        s for s in all_said() if s.given and s.given != {*FIELD.findall(s.template)}
    ]
    assert given == []


def test_no_text_has_blanks_around_it() -> None:
    assert [s for s in all_said() if s.template.strip() != s.template] == []
