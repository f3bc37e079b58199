"""The options that concern repairs: one decorator for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from vfio_doctor.facts.kvmfr.limits import LARGEST, SMALLEST, is_good_size
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

NO_SIZE = say(
    "usage-no-size",
    "{value} is no size for kvmfr: it has to be a power of two from {smallest} to "
    "{largest}, in MiB.",
)
NO_REDACTED_PLAN = say(
    "usage-no-redacted-plan", "--redact is for reports; a plan needs the real names."
)
NEEDS = say("usage-needs", "{option} needs {other}.")
NO_LINES = say(
    "usage-no-plan-in-lines", "--format lines has no place for a plan: use text."
)
CAPTURED = say(
    "usage-captured-repair",
    "A captured host cannot be repaired; add --dry-run to see the plan.",
)
ACCESS = ("auto", "owner", "uaccess", "group")

ONLY_WITH_FIX = {
    "dry_run": "--dry-run",
    "yes": "--yes",
    "risky": "--risky",
    "size_mib": "--size",
    "access": "--access",
    "passthrough_mode": "--iommu-pt",
    "ignore_msrs": "--ignore-msrs",
}


def good_size(
    ctx: click.Context, param: click.Parameter, value: int | None
) -> int | None:
    """Return the size; raise BadParameter for one that the checks would fault."""
    if value is not None and not is_good_size(value):
        raise click.BadParameter(
            str(NO_SIZE.filled(value=value, smallest=SMALLEST, largest=LARGEST)),
            ctx,
            param,
        )
    return value


OPTIONS = (
    click.option(
        "--fix",
        is_flag=True,
        help="Show what would be repaired, ask once, and repair it (as root). "
        "'vfio-doctor undo' takes it back.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="With --fix: only show what would be done. Needs no root.",
    ),
    click.option("--yes", is_flag=True, help="With --fix: do not ask."),
    click.option(
        "--risky", is_flag=True, help="With --fix: also make the repairs marked risky."
    ),
    click.option(
        "--size",
        "size_mib",
        metavar="MIB",
        type=click.INT,
        callback=good_size,
        help="With --fix: the size of kvmfr's shared memory, in MiB: a power of two "
        f"from {SMALLEST} to {LARGEST}.",
    ),
    click.option(
        "--access",
        type=click.Choice(ACCESS),
        default="auto",
        show_default=True,
        help="With --fix: how you get access to the kvmfr device.",
    ),
    click.option(
        "--iommu-pt",
        "passthrough_mode",
        is_flag=True,
        help="With --fix: set iommu=pt along with what turns the IOMMU on.",
    ),
    click.option(
        "--ignore-msrs",
        is_flag=True,
        help="With --fix --risky: set kvm.ignore_msrs=1.",
    ),
)


def repair_options(command: F) -> F:
    """Add the options to a click command, in the order of the help page."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def refuse_nonsense(options: dict[str, object], given: frozenset[str]) -> None:
    """Raise UsageError where an option stands without the one it belongs to."""
    if options["fix"] and options["redact"]:
        raise click.UsageError(str(NO_REDACTED_PLAN))
    if not options["fix"]:
        for name, spelt in ONLY_WITH_FIX.items():
            if name in given:
                raise click.UsageError(str(NEEDS.filled(option=spelt, other="--fix")))
    elif options["format_"] == "lines":
        raise click.UsageError(str(NO_LINES))
    elif options["capture"] and not options["dry_run"]:
        raise click.UsageError(str(CAPTURED))
    if options["ignore_msrs"] and not options["risky"]:
        raise click.UsageError(
            str(NEEDS.filled(option="--ignore-msrs", other="--risky"))
        )
