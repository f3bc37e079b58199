"""Print shell completion: ``vfio-doctor completion bash``."""

from __future__ import annotations

import click

from vfio_doctor.app.chosen import COMPLETE, PROGRAM
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
@with_examples
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    Examples:
      eval "$(vfio-doctor completion bash)"
      vfio-doctor completion zsh > ~/.zfunc/_vfio-doctor
      vfio-doctor completion fish > ~/.config/fish/completions/vfio-doctor.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from vfio_doctor.app.output import emit

    group = ctx.find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    # click's class for bash starts a bash to ask for its version; the script
    # itself needs none of that.
    emit(ShellComplete.source(kind(group, {}, PROGRAM, COMPLETE)) + "\n")
