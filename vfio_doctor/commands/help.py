"""Show the help of a command: ``vfio-doctor help undo``."""

from __future__ import annotations

import click

from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command


@click.command("help", cls=Command)
@click.argument("name", metavar="[COMMAND]", required=False, default="")
@click.pass_context
@with_examples
def command(ctx: click.Context, name: str) -> None:
    """Show this help, or that of COMMAND.

    Examples:
      vfio-doctor help
      vfio-doctor help bug-report
    """
    from vfio_doctor.app.output import emit

    above = ctx.find_root()
    group = above.command
    assert isinstance(group, click.Group)
    if not name:
        emit(group.get_help(above) + "\n")
        return
    _, found, _ = group.resolve_command(above, [name])
    assert found is not None
    emit(found.get_help(click.Context(found, above, name)) + "\n")
