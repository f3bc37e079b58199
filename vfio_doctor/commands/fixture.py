"""Turn a capture into a fixture host of the tests: ``vfio-doctor fixture``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

INTO = "tests/fixtures/hosts"
NAME = r"[a-z0-9][a-z0-9.-]{0,60}"


@click.command(
    "fixture", cls=Command, short_help="For developers: make a test host of a capture."
)
@click.argument("name", metavar="NAME")
@click.argument("capture", metavar="CAPTURE", type=click.Path())
@click.option(
    "--into",
    metavar="FOLDER",
    default=INTO,
    show_default=True,
    help="The folder that holds the fixture hosts.",
)
@click.option(
    "--like",
    metavar="HOST",
    default="",
    help="A fixture host on which most rules end in the same way.",
)
@with_examples
def command(name: str, capture: str, into: str, like: str) -> None:
    """Turn a capture into a fixture host of the tests, NAME.host (for developers).

    Private values are replaced where they were not yet. What the rules say of the
    host is printed; scripts/fixtures writes it down.

    Examples:
      vfio-doctor fixture bluefin-dx-2200 bug.tar.gz
      vfio-doctor fixture --like healthy-bluefin bluefin-dx-2200 bug.tar.gz
    """
    for word in (name, like or name):
        if not re.fullmatch(NAME, word):
            raise click.UsageError(f"{word!r}: use small letters, digits and dashes")
    from vfio_doctor.app.output import emit
    from vfio_doctor.host.members import CaptureError

    try:
        path = write(name, capture, into, like)
    except CaptureError as error:
        raise Failure(str(error), 2) from error
    emit("".join(f"{line}\n" for line in (*ends(path), f"Written: {path}")))


def write(name: str, capture: str, into: str, like: str = "") -> str:
    """Write the file and return its path; raises `CaptureError`."""
    from vfio_doctor.host.capture_io import load, save_text
    from vfio_doctor.host.redaction.redact import redact

    held = load(capture)
    if held.manifest.get("redacted") is not True:
        held = redact(held).capture
    held.manifest.setdefault("modelled_on", "a host of a bug report")
    if like:
        held.manifest["like"] = like
    path = os.path.join(into, f"{name}.host")
    save_text(held, path)
    return path


def ends(path: str) -> Iterator[str]:
    """Yield how each check ends on a written capture that does not pass."""
    from vfio_doctor.diagnosis.judge import diagnose
    from vfio_doctor.diagnosis.registry import load as registry
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.capture_io import load
    from vfio_doctor.host.captured import CapturedHost

    for result in diagnose(Facts(CapturedHost(load(path))), registry()):
        if result.status.value != "pass":
            yield f"{result.status.value} {result.id}"
