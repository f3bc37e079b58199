"""Print the manual page: ``vfio-doctor man``."""

from __future__ import annotations

import click

from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command


@click.command("man", cls=Command)
@click.pass_context
@with_examples
def command(ctx: click.Context) -> None:
    """Print the manual page, made from the same source as --help.

    Examples:
      vfio-doctor man | man -l -
      vfio-doctor man > ~/.local/share/man/man1/vfio-doctor.1
    """
    from vfio_doctor.app.output import emit
    from vfio_doctor.docs.man import man_page

    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    emit(man_page(group))
