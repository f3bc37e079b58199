"""List every rule: ``vfio-doctor checks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import with_examples
from vfio_doctor.app.output import emit, look
from vfio_doctor.app.shared_options import Command, takes
from vfio_doctor.language import spoken
from vfio_doctor.messages import say
from vfio_doctor.model import Applicability

if TYPE_CHECKING:
    from vfio_doctor.diagnosis.registry import Registry

HEADS = (
    say("checks-check", "Check"),
    say("checks-severity", "Severity"),
    say("checks-title", "Title"),
    say("checks-repair", "Repair"),
)
BY_HAND = say("checks-by-hand", "by hand")
READ_MORE = say("checks-read-more", "Read more: vfio-doctor explain ID")
SCHEMA = "vfio-doctor/checks/1"


@click.command("checks", cls=Command)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="A table for a person, or JSON for programs.",
)
@takes("output")
@with_examples
def command(format_: str, output: str | None) -> None:
    """List every check: its id, severity, title and fix.

    Works anywhere; no host is read.

    Examples:
      vfio-doctor checks
      vfio-doctor checks --format json
    """
    from vfio_doctor.diagnosis.registry import load

    registry = load()
    emit(as_json(registry) if format_ == "json" else as_text(registry), output)
    for problem in registry.problems:
        click.echo(str(problem), err=True)


def as_text(registry: Registry) -> str:
    """Return the table, and how to read more."""
    from vfio_doctor.report.table import table

    rows = [
        (
            check.id,
            check.severity.word,
            spoken(f"{check.id}.title", check.title),
            _repair(registry, check.id),
        )
        for check in registry.checks
    ]
    width = look("never", 0, None).width
    lines = table(tuple(map(str, HEADS)), rows, width)
    return "\n".join([*lines, "", str(READ_MORE), ""])


def _repair(registry: Registry, check_id: str) -> str:
    """Return how far ``--fix`` goes: safe, risky, or by hand."""
    kinds = {fix.applicability for fix in registry.fixes_for(check_id)}
    offered = (Applicability.SAFE, Applicability.RISKY)
    said = [str(kind.value) for kind in offered if kind in kinds]
    return " or ".join(said) or str(BY_HAND)


def as_json(registry: Registry) -> str:
    """Return the list as JSON, sorted by id; every field is always present."""
    from vfio_doctor.report import json

    return json.text(
        {
            "schema": SCHEMA,
            "checks": [
                {
                    "id": check.id,
                    "severity": check.severity.word,
                    "title": check.title,
                    "since": check.since,
                    "requires": list(check.requires),
                    "fixes": [
                        {"id": fix.id, "applicability": fix.applicability.value}
                        for fix in registry.fixes_for(check.id)
                    ],
                }
                for check in registry.checks
            ],
        }
    )
