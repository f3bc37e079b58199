"""List the PCI devices by IOMMU group: ``vfio-doctor devices``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import HIDE, Command, takes
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.facts.pci.table import DeviceTable
    from vfio_doctor.host.reader import Reader

FORMATS = ("text", "json", "dot", "svg")

UNKNOWN = say("devices-unknown", "the devices are not known: {why}")


@click.command("devices", cls=Command, short_help="List PCI devices by IOMMU group.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="A table for a person, JSON for programs, a graph for Graphviz's dot, or a "
    "picture.",
)
@click.option(
    "--tree",
    is_flag=True,
    help="Show each device below its bridge, as text.",
)
@takes("capture", "output")
@HIDE
@click.pass_obj
@with_examples
def command(chosen: Chosen, format_: str, tree: bool, output: str | None) -> None:
    """List the PCI devices by IOMMU group: driver, ids, reset, who shares it.

    A VM gets a whole group or none of it. Below the table stands which devices are
    free for a VM, and why the others are not.

    Examples:
      vfio-doctor devices
      vfio-doctor devices --tree
      vfio-doctor devices --format svg -o devices.svg
      vfio-doctor devices --format dot | dot -Tpng -o devices.png
      vfio-doctor devices --capture bug.tar.gz --format json
    """
    from vfio_doctor.app.output import emit
    from vfio_doctor.facts.base import Facts, MissingFact
    from vfio_doctor.facts.pci.table import DeviceTable

    if tree and format_ != "text":
        raise click.UsageError(
            str(say("usage-tree-is-text", "--tree is text: leave --format out."))
        )
    try:
        held = Facts(_host(chosen))[DeviceTable]
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing
    emit(_shown(held, "tree" if tree else format_, output, chosen), output)


def _shown(held: DeviceTable, form: str, output: str | None, chosen: Chosen) -> str:
    """Return the devices in a form; each is imported when it is asked for."""
    from vfio_doctor.app.output import look
    from vfio_doctor.report import devices

    if form == "json":
        return devices.as_json(held)
    if form == "dot":
        from vfio_doctor.report.device_dot import as_dot

        return as_dot(held)
    if form == "svg":
        from vfio_doctor.report.device_svg import as_svg

        return as_svg(held)
    seen = look("never", 0, output, chosen)
    if form == "tree":
        from vfio_doctor.report.device_tree import as_tree

        return as_tree(held, seen)
    return devices.as_text(held, seen)


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
