"""Why the initramfs lets a graphics driver come before vfio-pci."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.images.command import ImageCommands
from vfio_doctor.facts.images.content import ImageContent, images
from vfio_doctor.facts.images.initramfs import GRAPHICS as BY_KMS
from vfio_doctor.facts.images.initramfs import (
    KMS,
    SHELL_LISTS,
    TOOLS_LIST,
)
from vfio_doctor.facts.images.order import GRAPHICS, VFIO_PCI, InitramfsOrder
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.facts.modules import BuiltinModules
from vfio_doctor.facts.pci.claims import VfioIds
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import in_order, say
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.parse.modules_load import parse_initramfs_tools, parse_shell_list
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

BOOSTER_YAML = "/etc/booster.yaml"
_BOOSTER = re.compile(r"(?m)^modules_force_load:[ \t]*(\S.*)$")
OSTREE = "/run/ostree-booted"
DRACUT, DRACUT_FOLDER, FORCE = SHELL_LISTS[1]
ADD = "add_drivers"
BEFORE = say("late-image-before", "vfio_pci before {driver}")
PUT_FIRST = say(
    "late-image-put-first",
    "{path} has {driver} loaded before vfio_pci. Put vfio_pci first, build the image"
    " anew (`{command}`), and reboot.",
)
FORCED = say("late-image-forced", "force_drivers, which loads it too")
FORCE_IT = say(
    "late-image-force",
    "{path} puts vfio_pci into the image (add_drivers), but does not have it loaded"
    " there. Write force_drivers in its place, or add the kernel argument"
    " `rd.driver.pre=vfio-pci`; then build the image anew (`{command}`), and reboot.",
)
NO_ARGUMENT = say("late-image-no-argument", "no rd.driver.pre=vfio-pci")
ARGUMENT = say("late-image-argument", "rd.driver.pre=vfio-pci")
ADD_ARGUMENT = say(
    "late-image-add-argument",
    "The initramfs of an image-based system does not see /etc/modprobe.d. Have vfio-pci"
    " loaded first there with `sudo rpm-ostree kargs"
    " --append-if-missing=rd.driver.pre=vfio-pci`, and reboot.",
)
LOOK_FIRST = say(
    "late-image-look-first",
    "If `lsinitrd /usr/lib/modules/$(uname -r)/initramfs.img | grep vfio-pci.ko` shows"
    " nothing, the initramfs lacks vfio-pci: first run `sudo rpm-ostree initramfs"
    " --enable --arg=--force-drivers=vfio-pci`. `bootc upgrade` then refuses the"
    " system; `rpm-ostree upgrade` updates it.",
)
MODCONF = say("late-image-modconf", "modconf, which puts modprobe.d into the image")
ADD_MODCONF = say(
    "late-image-add-modconf",
    "{path} has no modconf among its HOOKS, so the image holds nothing of modprobe.d,"
    " and vfio-pci is loaded there without its ids. Add modconf, build the image anew"
    " (`sudo mkinitcpio -P`), and reboot.",
)
LOADED = say("late-image-loaded", "vfio_pci among MODULES")
LOAD_FIRST = say(
    "late-image-load-first",
    "mkinitcpio's kms hook puts the graphics driver into the image, which does not load"
    " vfio-pci. Write `MODULES=(vfio_pci vfio vfio_iommu_type1)` to {path}, with what"
    " is there behind these, build the image anew (`sudo mkinitcpio -P`), and reboot.",
)
NO_MODULE = say("late-image-no-module", "holds a graphics driver, and no vfio-pci")
THE_MODULE = say("late-image-the-module", "vfio-pci, and its ids")
LOAD_IT = say(
    "late-image-load-it",
    "{image} holds a graphics driver and no vfio-pci, so the driver comes first. Have"
    " the image load vfio-pci, build it anew (`{command}`), and reboot.",
)
WITHOUT = say("late-image-without", "no {path} in it")
WITH = say("late-image-with", "{path} in it")
HOLD_IT = say(
    "late-image-hold-it",
    "{image} does not hold {path}, so vfio-pci is loaded there without its ids. Build"
    " the image anew (`{command}`), and reboot.",
)
NEWER = say("late-image-newer", "made after {path} was changed")
OLDER = say("late-image-older", "made before {path} was changed")
BUILD = say(
    "late-image-build",
    "{image} was made before {path} was changed, so it does not hold the change. Build"
    " the image anew (`{command}`), and reboot.",
)


ADD_WITH_IDS = say(
    "late-image-add-argument-and-ids",
    "The initramfs of an image-based system does not see /etc/modprobe.d. Have vfio-pci"
    " loaded first there, with its ids: `sudo rpm-ostree kargs"
    " --append-if-missing=rd.driver.pre=vfio-pci"
    " --append-if-missing=vfio-pci.ids={ids}`, and reboot.",
)


class LateReason(NamedTuple):
    """What is wrong: where it stands, what is there and should be, and the cure.

    ``any_driver``: not only one of ``drivers`` comes first.
    """

    source: str
    observed: str | Message
    expected: Message
    cure: Message
    any_driver: bool = False
    drivers: tuple[str, ...] = GRAPHICS


class LateImage(NamedTuple):
    """The first reason that is found; None if nothing tells of one."""

    reason: LateReason | None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LateImage:
        """Look into the configuration of the tools that make the image."""
        return cls(next(_reasons(host, facts), None))


def is_newer(host: Reader, facts: Facts, path: str) -> bool | None:
    """Tell whether the image is newer than a file; None if no times tell."""
    times = _times(host, facts, path)
    return None if times is None else times[1] >= times[2]


def newer_than_image(host: Reader, facts: Facts, path: str) -> LateReason | None:
    """Return that the image is older than a file of modprobe.d, None if it is not."""
    times = _times(host, facts, path)
    if times is None or times[1] >= times[2]:
        return None
    image = times[0]
    cure = BUILD.filled(image=image, path=path, command=command_for(facts, image))
    seen, right = OLDER.filled(path=path), NEWER.filled(path=path)
    return LateReason(image, seen, right, cure)


def _times(host: Reader, facts: Facts, path: str) -> tuple[str, int, int] | None:
    """Return the running kernel's image, when it was made, and when a file was."""
    changed = host.lstat(path)
    if isinstance(changed, Missing) or not changed.mtime:
        return None
    for image in images(host, facts):
        made = host.lstat(image)
        if not isinstance(made, Missing) and made.mtime:
            return image, made.mtime, changed.mtime
    return None


def command_for(facts: Facts, image: str) -> str:
    """Return what makes the image anew: by the tool, else by the image's name."""
    commands = facts[ImageCommands]
    kinds = [kind for kind in facts[ImageTool].kinds if commands.of(kind)]
    by_name = ImageKind.INITRAMFS_TOOLS if "initrd.img" in image else ImageKind.DRACUT
    return commands.of(kinds[0] if len(kinds) == 1 else by_name)


class StaleImage(NamedTuple):
    """The image of the running kernel is older than a file with ids of vfio-pci.

    ``unseen`` is such a file of which nothing tells whether the image holds it, or "".
    """

    reason: LateReason | None
    unseen: str = ""

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> StaleImage:
        """Compare times of the files that set anything for vfio-pci."""
        unseen = ""
        for path, held in facts[ModuleConfig].options:
            if any(item.subject == VFIO_PCI for item in held.directives):
                found = newer_than_image(host, facts, path)
                if found is not None:
                    return cls(found)
                if _times(host, facts, path) is None:
                    unseen = path
        # It takes a program, and seconds, to look into the image.
        return cls(None, "" if unseen and facts[ImageContent].told else unseen)


def _lacking(facts: Facts) -> Iterator[LateReason]:
    """Yield what the image's own list lacks, if it loads a graphics driver."""
    content = facts[ImageContent]
    if not content.modules.intersection(GRAPHICS):
        return
    command = command_for(facts, content.image)
    if VFIO_PCI not in content.modules and not _is_built_in(facts):
        cure = LOAD_IT.filled(image=content.image, command=command)
        yield LateReason(content.image, NO_MODULE, THE_MODULE, cure)
    for path, held in facts[ModuleConfig].options:
        own = any(item.subject == VFIO_PCI for item in held.directives)
        if own and not content.holds(path):
            cure = HOLD_IT.filled(image=content.image, path=path, command=command)
            seen, right = WITHOUT.filled(path=path), WITH.filled(path=path)
            yield LateReason(content.image, seen, right, cure)


def _is_built_in(facts: Facts) -> bool:
    try:
        return facts[BuiltinModules].has(VFIO_PCI)
    except MissingFact:
        return False


def _add_argument(facts: Facts) -> Message:
    """Return the argument to add, and the ids if only a file has them."""
    entries = facts[VfioIds].entries
    ids = ",".join(entry.text for entry in entries if entry.pattern)
    in_file = any("modprobe.d" in entry.source for entry in entries)
    return ADD_WITH_IDS.filled(ids=ids) if ids and in_file else ADD_ARGUMENT


def _reasons(host: Reader, facts: Facts) -> Iterator[LateReason]:
    try:
        forced = any(
            "vfio" in (value or "")
            for value in facts[KernelCmdline].line.values("rd.driver.pre")
        )
    except MissingFact:
        return
    if not isinstance(host.lstat(OSTREE), Missing):
        if not forced:
            cmdline = facts[KernelCmdline].source
            ships = facts[ImageTool].ships_vfio
            cure = in_order(None if ships else LOOK_FIRST, _add_argument(facts))
            yield LateReason(cmdline, NO_ARGUMENT, ARGUMENT, cure, any_driver=True)
        return
    yield from _mkinitcpio(facts)
    yield from _tools(host, facts)
    yield from _booster(host, facts)
    if not (forced or facts[ModuleConfig].pulled_in_by(VFIO_PCI)):
        yield from _dracut(host, facts)
    stale = facts[StaleImage].reason
    if stale is not None:
        yield stale
    yield from _lacking(facts)


def _ordered(
    path: str, variable: str, modules: tuple[str, ...], command: str
) -> Iterator[LateReason]:
    """Yield that a graphics driver stands before vfio-pci in a list."""
    if VFIO_PCI not in modules:
        return
    early = [m for m in modules[: modules.index(VFIO_PCI)] if m in GRAPHICS]
    for driver in early[:1]:
        cure = PUT_FIRST.filled(path=path, driver=driver, command=command)
        shown = f"{variable}{' '.join(modules)}"
        yield LateReason(path, shown, BEFORE.filled(driver=driver), cure)


def _mkinitcpio(facts: Facts) -> Iterator[LateReason]:
    try:
        order = facts[InitramfsOrder]
    except MissingFact:
        return
    if order.tool is ImageKind.MKINITCPIO:
        command = facts[ImageCommands].of(order.tool)
        yield from _ordered(order.config, "MODULES: ", order.modules, command)
        if order.loads and order.lacks_modprobe_d and _is_in_file(facts):
            shown = f"HOOKS: {' '.join(order.hooks)}"
            cure = ADD_MODCONF.filled(path=order.config)
            yield LateReason(order.config, shown, MODCONF, cure, any_driver=True)
        elif not order.loads and KMS in order.hooks:
            shown = f"HOOKS: {' '.join(order.hooks)}"
            cure = LOAD_FIRST.filled(path=order.config)
            yield LateReason(order.config, shown, LOADED, cure, drivers=BY_KMS)


def _is_in_file(facts: Facts) -> bool:
    """Tell whether ids of vfio-pci stand in modprobe.d."""
    return any("modprobe.d" in entry.source for entry in facts[VfioIds].entries)


def _booster(host: Reader, facts: Facts) -> Iterator[LateReason]:
    text = read_text(host, BOOSTER_YAML)
    found = None if isinstance(text, Missing) else _BOOSTER.search(text)
    if found:
        names = found[1].strip().strip("\"'").split(",")
        modules = tuple(module_name(name.strip()) for name in names)
        command = facts[ImageCommands].of(ImageKind.BOOSTER)
        yield from _ordered(BOOSTER_YAML, "modules_force_load: ", modules, command)


def _tools(host: Reader, facts: Facts) -> Iterator[LateReason]:
    text = read_text(host, TOOLS_LIST)
    if not isinstance(text, Missing):
        modules = tuple(map(module_name, parse_initramfs_tools(text).modules))
        command = facts[ImageCommands].of(ImageKind.INITRAMFS_TOOLS)
        yield from _ordered(TOOLS_LIST, "", modules, command)


def _dracut(host: Reader, facts: Facts) -> Iterator[LateReason]:
    command = facts[ImageCommands].of(ImageKind.DRACUT)
    names = host.list(DRACUT_FOLDER)
    more = () if isinstance(names, Missing) else names
    paths = (DRACUT, *(f"{DRACUT_FOLDER}/{n}" for n in more if n.endswith(".conf")))
    texts = [(path, read_text(host, path)) for path in paths]
    read = [(path, text) for path, text in texts if isinstance(text, str)]
    forced = parse_shell_list("\n".join(text for _, text in read), FORCE)
    if VFIO_PCI in forced:
        home = [p for p, text in read if VFIO_PCI in parse_shell_list(text, FORCE)]
        yield from _ordered(home[0], f"{FORCE}: ", forced, command)
        return
    for path, text in read:
        added = parse_shell_list(text, ADD)
        if VFIO_PCI in added:
            shown = f"{ADD}: {' '.join(added)}"
            yield LateReason(
                path, shown, FORCED, FORCE_IT.filled(path=path, command=command)
            )
            return
