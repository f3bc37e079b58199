"""A run that ends with a message for the person, and a status of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vfio_doctor.messages import Message


class Failure(click.ClickException):
    """A message for the person, and the exit status that goes with it."""

    def __init__(self, message: str | Message, status: int) -> None:
        """Take what to say, made safe to print, and an exit status."""
        from vfio_doctor.report.untrusted import clean

        super().__init__(clean(message))
        # Before click 8.4 it was no constant.
        self.exit_code = status  # type: ignore[misc, unused-ignore]
