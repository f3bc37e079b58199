"""A command line as click takes it; nothing is run."""

from __future__ import annotations

import warnings
from functools import cache

from vfio_doctor.cli import cli


@cache
def parsed(words: tuple[str, ...]) -> None:
    """Take the words after `vfio-doctor`; raises click.UsageError if they are wrong."""
    context = cli.make_context("vfio-doctor", list(words))
    with warnings.catch_warnings():
        # Newer click has all of it in args; older has not.
        warnings.simplefilter("ignore", DeprecationWarning)
        rest = [*context.protected_args, *context.args] if words else []
    if rest:
        name, command, others = cli.resolve_command(context, rest)
        assert command is not None
        command.make_context(name, others, parent=context)
