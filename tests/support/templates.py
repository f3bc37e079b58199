"""Every text that a translator's catalogue needs, read out of the program.

Messages are read from the source: `say` is called with an id and a template as
they are. Titles, summaries and pages come from the classes of the rules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from support.syntax import nodes
from vfio_doctor.app.docstring import dedented
from vfio_doctor.diagnosis.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
FIELD = re.compile(r"\{(\w+)\}")
# A tool's own words have their language already.
NOT_TRANSLATED = ("verbatim",)


class Said(NamedTuple):
    """One call of `say`; ``given`` is None where the values are not to be seen."""

    place: str
    id: str
    template: str
    given: frozenset[str] | None


class Template(NamedTuple):
    """One text to translate: ``kind`` is message, title, summary or page."""

    id: str
    kind: str
    template: str
    place: str

    @property
    def fields(self) -> frozenset[str]:
        """What a translation has to name; a page has no fields."""
        return frozenset(FIELD.findall(self.template) if self.kind == "message" else ())


def sources() -> list[Path]:
    """Every module of the program, rules and repairs with it."""
    own = (ROOT / "vfio_doctor").rglob("*.py")
    rules = (
        path for name in ("checks", "fixes") for path in (ROOT / name).rglob("*.py")
    )
    return sorted({path.resolve() for path in (*own, *rules)})


@cache
def all_said() -> list[Said]:
    """Every call of `say`; a call that cannot be read is an error."""
    return [said for path in sources() for said in said_in(path)]


def said_in(path: Path) -> Iterator[Said]:
    text = path.read_text(encoding="utf-8")
    any_said = "say(" in text or "spoken(" in text
    for node in nodes(path) if any_said else ():
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        spoken = node.func.id == "spoken" and all(map(_literal, node.args))
        if node.func.id == "say" or spoken:
            yield _said(f"{path.relative_to(ROOT)}:{node.lineno}", node)


def _said(place: str, call: ast.Call) -> Said:
    texts = [_literal(arg) for arg in call.args]
    assert len(texts) == 2, f"{place}: say(id, template, name=value, ...)"
    assert all(texts), f"{place}: id and template are literals"
    keywords = [k.arg for k in call.keywords]
    given = None if None in keywords else frozenset(map(str, keywords))
    return Said(place, str(texts[0]), str(texts[1]), given)


def _literal(node: ast.expr) -> str | None:
    held = node.value if isinstance(node, ast.Constant) else None
    return held if isinstance(held, str) else None


def templates(registry: Registry) -> list[Template]:
    """Every text to translate, by id."""
    found = [
        Template(said.id, "message", said.template, said.place)
        for said in all_said()
        if said.id not in NOT_TRANSLATED
    ]
    for check in registry.checks:
        page = "\n".join(dedented(check.__doc__))
        found.append(Template(f"{check.id}.title", "title", check.title, check.id))
        found.append(Template(f"{check.id}.page", "page", page, check.id))
    for fix in registry.fixes:
        page = "\n".join(dedented(fix.__doc__))
        found.append(Template(f"{fix.id}.summary", "summary", fix.summary, fix.id))
        found.append(Template(f"{fix.id}.page", "page", page, fix.id))
    return sorted(found)


def missing(
    catalogue: Mapping[str, str], wanted: list[Template]
) -> tuple[Template, ...]:
    """Return what a catalogue lacks: no text, or one that names other fields."""
    return tuple(one for one in wanted if not _translated(one, catalogue.get(one.id)))


def _translated(one: Template, text: str | None) -> bool:
    if not text:
        return False
    return one.kind != "message" or frozenset(FIELD.findall(text)) == one.fields


def unknown(catalogue: Mapping[str, str], wanted: list[Template]) -> tuple[str, ...]:
    """Return the ids of a catalogue that the program does not have any more."""
    ids = {one.id for one in wanted}
    return tuple(sorted(name for name in catalogue if name not in ids))
