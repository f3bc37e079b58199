"""What the options of ``vfio-doctor`` may say, and what was chosen: without click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.app.new_file import Output

PROGRAM = "vfio-doctor"
# What a shell's completion calls us with.
COMPLETE = "_VFIO_DOCTOR_COMPLETE"
AREAS = ("kvmfr",)
COLOURS = ("auto", "always", "never")
FORMATS = ("text", "lines", "json", "markdown", "html", "junit", "prometheus")
SEVERITIES = ("error", "warning", "info")


class Chosen(NamedTuple):
    """What the options of ``vfio-doctor`` say; see ``vfio-doctor --help``."""

    user: str = ""
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    format: str = "text"
    output: str | Output | None = None
    fail_on: str = "warning"
    capture: str | None = None
    verbosity: int = 0
    color: str = "auto"
    debug: bool = False
    plugins: bool = False
    redact: bool | None = None
    fix: bool = False
    dry_run: bool = False
    yes: bool = False
    risky: bool = False
    size_mib: int = 0
    access: str = "auto"
    passthrough_mode: bool = False
    ignore_msrs: bool = False
    devices: tuple[str, ...] = ()
    bind: bool = False
    ahead: bool = False
    headless: bool = False
    accept_siblings: bool = False
