"""Arch's mkinitcpio: mkinitcpio(8), mkinitcpio.conf(5), lsinitcpio(1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.boot.images.maker import IMAGE, ImageMaker, globbed, with_lines
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.modules_load import parse_shell_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import FileStep, RebuildImages

BUILD = ("mkinitcpio", "-P")
CONFIG = "/etc/mkinitcpio.conf"
# Read after the main file, in the order of their names (mkinitcpio.conf(5)).
DROP_INS = "/etc/mkinitcpio.conf.d/*.conf"
OWN_DROP_IN = "/etc/mkinitcpio.conf.d/zz-vfio-doctor.conf"
PRESETS = "/etc/mkinitcpio.d/*.preset"
SEALED = say(
    "mkinitcpio-unified",
    "{preset} makes a unified kernel image: its initramfs cannot be read back",
)
NO_MODCONF = say(
    "mkinitcpio-no-modconf",
    "HOOKS in {path} lacks modconf, so modprobe.d does not go into the image: add it"
    " behind autodetect",
)
LAST_WORD = say(
    "mkinitcpio-last-word",
    "{path} sets MODULES and is read last: put {modules} in front there by hand",
)
OTHER_CONFIG = say(
    "mkinitcpio-other-config", "{preset} names a configuration of its own"
)


class Mkinitcpio(ImageMaker):
    """One line behind the last that sets MODULES: the configuration is a shell's."""

    name = "mkinitcpio"
    lister = "lsinitcpio"
    commands = (BUILD, ("lsinitcpio", IMAGE))

    def build(self, host: Reader) -> tuple[str, ...]:
        """Return the command for all presets."""
        return BUILD

    def images(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the images that the presets name."""
        presets = globbed(host, PRESETS)
        if isinstance(presets, Missing):
            return presets
        found: list[str] = []
        for preset in presets:
            text = read_text(host, preset)
            if isinstance(text, Missing):
                return text
            found += _images(preset, text)
        return tuple(found)

    def configured(self, host: Reader, change: RebuildImages) -> Iterator[FileStep]:
        """Yield a line that puts the modules before all that stand in the list."""
        modules = change.modules
        if not modules:
            return
        texts = _configuration(host)
        whole = "\n".join(texts.values())
        if "modconf" not in parse_shell_list(whole, "HOOKS"):
            raise CannotFix(NO_MODCONF.filled(path=_last(texts, "HOOKS")))
        if parse_shell_list(whole, "MODULES")[: len(modules)] == modules:
            return
        last = _last(texts, "MODULES")
        path = CONFIG if last == CONFIG else OWN_DROP_IN
        if last > OWN_DROP_IN:
            raise CannotFix(LAST_WORD.filled(path=last, modules=modules))
        line = f'MODULES=({" ".join(modules)} "${{MODULES[@]}}")'
        yield from with_lines(host, path, (line,))


def _configuration(host: Reader) -> dict[str, str]:
    """Return the text of each file in the order they are read; raise `CannotFix`."""
    drop_ins = globbed(host, DROP_INS)
    if isinstance(drop_ins, Missing):
        raise CannotFix(drop_ins.message, drop_ins.why)
    texts = {}
    for path in (CONFIG, *sorted(drop_ins)):
        text = read_text(host, path)
        if isinstance(text, Missing):
            raise CannotFix(text.message, text.why)
        texts[path] = text
    return texts


def _last(texts: dict[str, str], variable: str) -> str:
    """Return the last file that sets a variable, the main one if none does."""
    sets = re.compile(rf"(?m)^[ \t]*{variable}\+?=")
    return next((p for p in reversed(texts) if sets.search(texts[p])), CONFIG)


def _images(preset: str, text: str) -> Iterator[str]:
    """Yield the image of each preset that is used; raise `CannotFix` for others."""
    used = parse_shell_list(text, "PRESETS")
    for name, what, value in re.findall(
        r"(?m)^[ \t]*(\w+)_(image|uki|config)=[\"']?([^\"'\s]+)", text
    ):
        if what == "config" and value != CONFIG and name in ("ALL", *used):
            raise CannotFix(OTHER_CONFIG.filled(preset=preset))
        if name in used and what == "uki":
            raise CannotFix(SEALED.filled(preset=preset))
        if name in used and what == "image":
            yield value
