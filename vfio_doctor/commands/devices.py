"""List the PCI devices by IOMMU group: ``vfio-doctor devices``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import Failure, with_examples
from vfio_doctor.app.shared_options import Command, takes
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.options import Chosen
    from vfio_doctor.host.reader import Reader


UNKNOWN = say("devices-unknown", "the devices are not known: {why}")


@click.command("devices", cls=Command)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="A table for a person, or JSON for programs.",
)
@takes("capture", "output", "redact")
@click.pass_obj
@with_examples
def command(chosen: Chosen, format_: str, output: str | None) -> None:
    """List the PCI devices by IOMMU group: driver, ids, reset, who shares it.

    A VM gets a whole group or none of it.

    Examples:
      vfio-doctor devices
      vfio-doctor --capture bug.tar.gz devices --format json
    """
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.facts.base import Facts, MissingFact
    from vfio_doctor.facts.pci.table import DeviceTable
    from vfio_doctor.report import devices

    try:
        held = Facts(_host(chosen))[DeviceTable]
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing
    if format_ == "json":
        emit(devices.as_json(held), output)
    else:
        emit(devices.as_text(held, look("never", 0, output)), output)


def _host(chosen: Chosen) -> Reader:
    """Return the host, or what of it others may see."""
    from vfio_doctor.app.open_host import open_host

    host = open_host(chosen.capture)
    if not chosen.redact:
        return host
    from vfio_doctor.app.sharing import shared
    from vfio_doctor.facts.base import Options
    from vfio_doctor.facts.pci.table import DeviceTable

    return shared(host, Options(), lambda _, facts: facts[DeviceTable]).host
