"""NixOS makes /etc from a configuration: what to write there instead of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.system import OsRelease
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

GENERATED = say(
    "nixos-generated",
    "NixOS makes this file from its configuration, and it cannot be edited",
)
NIXOS_RULE = say(
    "nixos-udev-rule",
    "In configuration.nix, give the rule as a file that sorts before 73:"
    " `services.udev.packages = [ (pkgs.writeTextDir"
    " \"lib/udev/rules.d/70-kvmfr.rules\" ''{rule}'') ];`. Take the old one out, then"
    " run `sudo nixos-rebuild switch`.",
)
NIXOS_SIZE = say(
    "nixos-module-option",
    "In configuration.nix, set `boot.extraModprobeConfig ="
    ' "options kvmfr static_size_mb={mib}";` and keep "kvmfr" in `boot.kernelModules`,'
    " then run `sudo nixos-rebuild boot` and reboot.",
)
INITRD = say(
    "nixos-initrd",
    "the initrd of NixOS may load kvmfr (boot.initrd.kernelModules), and no file that"
    " can be read tells",
)


class Generated(NamedTuple):
    """Whether the files in /etc are made from a configuration (NixOS)."""

    yes: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Generated:
        """Go by os-release, then by the mark that NixOS leaves."""
        try:
            return cls(facts[OsRelease].is_like("nixos"))
        except MissingFact:
            pass
        try:
            return cls(facts[BootStack].kind is BootKind.NIXOS)
        except MissingFact:
            return cls(False)

    def refuse(self) -> None:
        """Raise `CannotFix` where no file may be edited."""
        if self.yes:
            raise CannotFix(GENERATED)

    def may_load_early(self) -> None:
        """Raise `MissingFact`: the initrd may load modules that no file names."""
        if self.yes:
            raise MissingFact(INITRD)

    def advice(self, here: Message, elsewhere: Message) -> Message:
        """Return what to do by hand: on NixOS, or elsewhere."""
        return here if self.yes else elsewhere
