"""Boot stacks whose arguments are set where the system is built: advice only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.sealed import running_words
from vfio_doctor.boot.words import added, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Missing, Reader
    from vfio_doctor.model import Step

NIX_ADD = say(
    "nixos-add",
    "add to configuration.nix: boot.kernelParams = [ {new} ]; then run "
    "`sudo nixos-rebuild boot`",
)
NIX_GO = say(
    "nixos-remove",
    "remove from boot.kernelParams: {gone}; then run `sudo nixos-rebuild boot`",
)
NIX_BOTH = say(
    "nixos-add-and-remove",
    "add to configuration.nix: boot.kernelParams = [ {new} ]; remove from "
    "boot.kernelParams: {gone}; then run `sudo nixos-rebuild boot`",
)


class NixOs(BootBackend):
    """``boot.kernelParams``: `/etc` is made from the configuration."""

    name = "NixOS"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the running kernel's words: the configuration is a program."""
        return running_words(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Raise `CannotFix` with the snippet for configuration.nix."""
        new = " ".join(f'"{word}"' for word in added(edit))
        gone = " ".join(removed(edit))
        if new and gone:
            raise CannotFix(NIX_BOTH.filled(new=new, gone=gone))
        raise CannotFix(NIX_ADD.filled(new=new) if new else NIX_GO.filled(gone=gone))
