"""Write, check or print the documents: ``python -m vfio_doctor.docs --write``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vfio_doctor.diagnosis.registry import load
from vfio_doctor.docs.commands import reference
from vfio_doctor.docs.example import example
from vfio_doctor.docs.man import man_page
from vfio_doctor.docs.rules import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FIXTURES = ROOT / "tests" / "fixtures" / "hosts"


def documents() -> dict[str, str]:
    """Return every made document: its name below ``docs/`` and its text."""
    made = dict(pages(load(), lambda check: example(check, FIXTURES)))
    made["cli.md"] = reference()
    made["vfio-doctor.1"] = man_page()
    return made


def differences(made: dict[str, str], folder: Path) -> Iterator[str]:
    """Yield what is missing, out of date, or left of a rule that is gone."""
    for name, text in made.items():
        path = folder / name
        if not path.is_file():
            yield f"{path}: missing"
        elif path.read_text(encoding="utf-8") != text:
            yield f"{path}: out of date"
    for path in sorted((folder / "rules").glob("*.md")):
        if f"rules/{path.name}" not in made:
            yield f"{path}: no such rule"


def write(made: dict[str, str], folder: Path) -> None:
    """Write every document and delete pages of rules that are gone."""
    for path in (folder / "rules").glob("*.md"):
        if f"rules/{path.name}" not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@click.command()
@click.option("--write", "mode", flag_value="write", help="Write them below docs/.")
@click.option("--check", "mode", flag_value="check", help="Say what is out of date.")
@click.option("--stdout", "mode", flag_value="stdout", help="Print them all.")
def main(mode: str | None) -> None:
    """Make the rule reference, the CLI reference and the man page from the code."""
    made = documents()
    if mode == "write":
        write(made, DOCS)
    elif mode == "check":
        wrong = list(differences(made, DOCS))
        click.echo("\n".join(wrong) or f"{len(made)} documents are up to date")
        if wrong:
            raise click.exceptions.Exit(1)
    elif mode == "stdout":
        for name, text in made.items():
            click.echo(f"==> {name} <==\n{text}")
    else:
        raise click.UsageError("say --write, --check or --stdout")


if __name__ == "__main__":
    main()
