"""Say what changed between two captures or reports: ``vfio-doctor diff``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command, takes
from vfio_doctor.language import in_english
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.report.compare import Difference, Snapshot

NO_REPORT = say("diff-no-report", "{path}: {why}; give a capture or a report")
SCHEMA = "vfio-doctor/diff/1"
OLD, NEW = say("diff-old", "Old"), say("diff-new", "New")
SECTIONS = {
    "system": say("diff-system", "System"),
    "image": say("diff-image", "Image"),
    "devices": say("diff-devices", "Devices"),
    "verdicts": say("diff-verdicts", "Verdicts"),
    "arguments now": say("diff-arguments-now", "Arguments now"),
    "arguments at the next boot": say(
        "diff-arguments-next", "Arguments at the next boot"
    ),
}
PRIVATE = say(
    "diff-private",
    "Note: nothing is hidden here. Compare two bug reports (`vfio-doctor bug-report`) "
    "before you show this to others.",
)
BY_PLACE = say(
    "diff-by-place",
    "Note: hidden values are compared by their place and kind. One that changed into"
    " another of its kind does not show; compare the captures themselves for that.",
)
REPORT_BYTES = 8 << 20


@click.command("diff", cls=Command, short_help="Say what changed between two captures.")
@click.argument("old", metavar="OLD", type=click.Path())
@click.argument("new", metavar="NEW", type=click.Path())
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="A table for a person, or JSON for programs.",
)
@takes("user", "areas", "devices", "plugins")
@click.pass_obj
@with_examples
def command(chosen: Chosen, old: str, new: str, format_: str) -> None:
    """Say what changed between two captures or reports: "it worked yesterday".

    It compares system, image, kernel, arguments, drivers and groups of devices,
    and verdicts. A report lists no devices. The exit status is 1 if anything
    differs, like that of diff(1).

    Examples:
      vfio-doctor diff monday.tar.gz tuesday.tar.gz
      vfio-doctor diff old.json new.json
    """
    from vfio_doctor.app.output import emit
    from vfio_doctor.report.compare import differences
    from vfio_doctor.report.stand_ins import has_stand_ins, renamed

    (before, hidden), (after, hidden_too) = snapshot(old, chosen), snapshot(new, chosen)
    if hidden and not hidden_too:
        after, hidden_too = snapshot(new, chosen._replace(redact=True))
    elif hidden_too and not hidden:
        before, hidden = snapshot(old, chosen._replace(redact=True))
    both = hidden and hidden_too
    if both:
        after = renamed(before, after)
    found = list(differences(before, after))
    emit(_as_json(found) if format_ == "json" else _as_text(found))
    if format_ == "text" and both and has_stand_ins(after):
        emit(f"\n{BY_PLACE}\n")
    if found and format_ == "text" and not both:
        emit(f"\n{PRIVATE}\n")
    click.get_current_context().exit(1 if found else 0)


def snapshot(path: str, chosen: Chosen) -> tuple[Snapshot, bool]:
    """Return what is compared of a capture or a report, and whether it is redacted.

    Raises Failure.
    """
    from vfio_doctor.report import compare

    if path.endswith(".json") and not os.path.isdir(path):
        try:
            held = _document(path)
            return compare.of_document(held), compare.is_redacted(held)
        except (ValueError, OSError, RecursionError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise Failure(NO_REPORT.filled(path=path, why=str(said)), 2) from error
    from vfio_doctor.app.diagnosis import diagnosed

    done = diagnosed(chosen._replace(capture=path, select=(), skip=()))
    shot = compare.of_host(done.host, done.facts, done.report)
    return shot, done.report.run.redacted


def _document(path: str) -> dict[str, object]:
    import json
    import stat

    from vfio_doctor.host.rights import as_caller

    with as_caller():
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError("not a file")
        with open(path, "rb") as file:
            data = file.read(REPORT_BYTES + 1)
    if len(data) > REPORT_BYTES:
        raise ValueError("larger than any report")
    held = json.loads(data)
    if not isinstance(held, dict):
        raise ValueError("not a report of vfio-doctor")
    return held


def _as_text(found: list[Difference]) -> str:
    from vfio_doctor.app.output import look
    from vfio_doctor.report.table import table

    if not found:
        return f"{say('diff-nothing', 'Nothing differs.')}\n"
    width = look("never", 0, None).width
    lines: list[str] = []
    for section in dict.fromkeys(one.section for one in found):
        rows = [(one.name, one.old, one.new) for one in found if one.section == section]
        heads = (str(SECTIONS[section]), str(OLD), str(NEW))
        lines += ["", *table(heads, rows, width)]
    return "\n".join(lines[1:]) + "\n"


@in_english
def _as_json(found: list[Difference]) -> str:
    from vfio_doctor.report import json

    return json.text(
        {"schema": SCHEMA, "differences": [json.plain(one) for one in found]}
    )
