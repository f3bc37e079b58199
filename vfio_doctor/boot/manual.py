"""Boot stacks whose arguments are set where the system is built: advice only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.words import added, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import read_text
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Missing, Reader
    from vfio_doctor.model import Step


class NixOs(BootBackend):
    """``boot.kernelParams``: `/etc` is made from the configuration."""

    name = "NixOS"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the running kernel's words: the configuration is a program."""
        return _running(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Raise `CannotFix` with the snippet for configuration.nix."""
        lines = []
        if added(edit):
            quoted = " ".join(f'"{word}"' for word in added(edit))
            lines.append(
                f"put into configuration.nix: boot.kernelParams = [ {quoted} ];"
            )
        if removed(edit):
            lines.append(f"take out of boot.kernelParams: {' '.join(removed(edit))}")
        raise CannotFix(f"{'; '.join(lines)}; then run `sudo nixos-rebuild boot`")


class SealedImage(BootBackend):
    """A unified kernel image: its arguments are sealed into the file."""

    name = "unified kernel image"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the running kernel's words, which the image holds."""
        return _running(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Raise `CannotFix` with the line for `/etc/kernel/cmdline`."""
        whole = " ".join(edit.after)
        raise CannotFix(
            "the arguments are sealed into the kernel image. Write into "
            f"/etc/kernel/cmdline the line: {whole} -- and build the image anew "
            "(mkinitcpio -P, dracut --regenerate-all --force, or kernel-install "
            "add-all); on an image-based system that is done in its build"
        )


def _running(host: Reader) -> tuple[str, ...] | Missing:
    text = read_text(host, "/proc/cmdline")
    return words(text) if isinstance(text, str) else text
