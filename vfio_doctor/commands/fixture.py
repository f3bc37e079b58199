"""Turn a capture into a fixture host of the tests: ``vfio-doctor fixture``."""

from __future__ import annotations

import os
import re

import click

from vfio_doctor.app.options import Failure, with_examples

INTO = "tests/fixtures/hosts"


@click.command(name="fixture")
@click.argument("name", metavar="NAME")
@click.argument("capture", metavar="CAPTURE")
@click.option(
    "--into",
    metavar="FOLDER",
    default=INTO,
    show_default=True,
    help="The folder that holds the fixture hosts.",
)
@with_examples
def command(name: str, capture: str, into: str) -> None:
    """Turn a capture into a fixture host of the tests (for developers).

    Private values are replaced where they were not yet. Beside the capture stands
    expected.json: how every check ends. Read it before you commit it.

    Examples:
      vfio-doctor fixture bluefin-dx-2200 bug.tar.gz
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,60}", name):
        raise click.UsageError(f"{name!r}: use small letters, digits and dashes")
    from vfio_doctor.app.output import emit
    from vfio_doctor.host.archive import CaptureError

    try:
        folder = write(name, capture, into)
    except CaptureError as error:
        raise Failure(str(error), 2) from error
    emit(f"Written: {folder}\nNow read {folder}/expected.json.\n")


def write(name: str, capture: str, into: str) -> str:
    """Write the folder and return its path; raises `CaptureError`."""
    from vfio_doctor.host.capture_io import load, save
    from vfio_doctor.host.redaction.redact import redact

    held = load(capture)
    if held.manifest.get("redacted") is not True:
        held = redact(held).capture
    held.manifest.setdefault("modelled_on", "a host of a bug report")
    folder = os.path.join(into, name)
    save(held, folder)
    with open(os.path.join(folder, "expected.json"), "x", encoding="utf-8") as file:
        file.write(expected(folder))
    return folder


def expected(folder: str) -> str:
    """Return how every check ends on a written capture, as JSON."""
    import json

    from vfio_doctor.diagnosis.judge import diagnose
    from vfio_doctor.diagnosis.registry import load as registry
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.capture_io import load
    from vfio_doctor.host.captured import CapturedHost

    results = diagnose(Facts(CapturedHost(load(folder))), registry())
    return json.dumps({r.id: r.status.value for r in results}, indent=1) + "\n"
