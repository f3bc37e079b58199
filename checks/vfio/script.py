"""Scripts that take the place of loading vfio-pci."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    InitramfsOrder,
    InstallScripts,
    Iterator,
    Message,
    Missing,
    NotApplicable,
    Place,
    Script,
    Severity,
    WantedDevices,
    Why,
    known,
    loads_itself,
    say,
)

# What such a script is for; of another one nothing is known.
PURPOSE = "driver_override"
NO_SCRIPT = say("vfio-script-none", "no `install vfio-pci` line stands in modprobe.d")
GONE = say(
    "vfio-script-gone",
    "{path}, which is to run in place of loading vfio-pci, is not there: vfio-pci is"
    " never loaded.",
)
NEVER_LOADS = say(
    "vfio-script-never-loads",
    "{path} runs in place of loading vfio-pci, and does not load it: nothing does.",
)
LOADS = say("vfio-script-loads", "`modprobe -i vfio-pci` at its end")
LOAD_IT = say(
    "vfio-script-load-it",
    "Write `modprobe -i vfio-pci` as its last line (without -i it calls itself), and"
    " build the initramfs anew if it holds the script.",
)
NOT_IN_IMAGE = say(
    "vfio-script-not-in-image",
    "{tool} loads vfio-pci in the initramfs, but {path}, which is to run in its place,"
    " is not in the image: it takes no card at that time.",
)
NOT_IN_IMAGE_LATE = say(
    "vfio-script-not-in-image-driver-first",
    "{tool} loads {driver} before vfio-pci in the initramfs, and {path}, which is to"
    " run in place of vfio-pci, is not in the image: {driver} takes every card first.",
)
DRIVER_FIRST = say(
    "vfio-script-driver-first",
    "{tool} loads {driver} before vfio-pci in the initramfs: {driver} takes every card"
    " before {path} can bind one by its address.",
)
THERE = say("vfio-script-there", "a script that can be run")
INCLUDED = say("vfio-script-included", "{path} among FILES")
BEFORE = say("vfio-script-before", "vfio_pci before {driver}")
WRITE = say(
    "vfio-script-write",
    "Write the script, or take the `install vfio-pci` line out of modprobe.d.",
)
INCLUDE = say(
    "vfio-script-include",
    "Add {path} to FILES in {config}, put vfio_pci before every graphics driver in"
    " MODULES, and build the image anew (`sudo mkinitcpio -P`). Then reboot: the card"
    " is bound by its address, so its twin stays with the host.",
)


class VfioScriptIdle(Check):
    """The script that is to bind the guest's card does not run in time.

    What it does:
    If modprobe.d runs a script in place of loading vfio-pci (`install vfio-pci ...`),
    this looks whether the script is there and loads the module at last, and, if
    mkinitcpio loads vfio-pci in the initramfs, whether the script is in the image and
    no graphics driver is loaded before it.

    Why is this bad?
    Two cards of the same model have the same ids, so a script has to tell vfio-pci by
    address which one is the guest's. If it does not run, or runs after amdgpu or
    nvidia, the host has both cards, and the VM gets none.

    How it is repaired:
    By hand: add the script to the image, put vfio_pci first, build the image anew.

    See it yourself:
        grep -r 'install vfio-pci' /etc/modprobe.d
        grep -e ^MODULES -e ^FILES /etc/mkinitcpio.conf
        lsinitcpio /boot/initramfs-linux.img | grep vfio

    False alarms:
    If the script is meant to run later than the initramfs, and no graphics driver is
    loaded there, take vfio_pci out of MODULES and this is silent.
    """

    id = "vfio-script-idle"
    severity = Severity.ERROR
    title = "The script that binds the guest's card does not run"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a script."""
        scripts = [one for one in facts[InstallScripts].scripts if one.path]
        if not scripts:
            if unread := facts[InstallScripts].unread:
                known(unread)
            facts[WantedDevices].demand()
            raise NotApplicable(NO_SCRIPT)
        order = facts[InitramfsOrder]
        for script in scripts:
            if isinstance(script.text, Missing):
                if script.text.why is not Why.ABSENT:
                    known(script.text)
                row = Evidence(script.source, script.command, THERE)
                message = GONE.filled(path=script.path)
                yield Finding(_place(script), message, (row,), None, WRITE)
            elif PURPOSE in script.text and not loads_itself(_run(script)):
                message = NEVER_LOADS.filled(path=script.path)
                rows = (Evidence(script.source, script.command, LOADS),)
                yield Finding(_place(script), message, rows, None, LOAD_IT)
            elif order.loads:
                yield from _idle(script, order)


def _run(script: Script) -> str:
    """Return all that runs: the line of modprobe.d and the script."""
    text = "" if isinstance(script.text, Missing) else script.text
    return f"{script.command}\n{text}"


def _idle(script: Script, order: InitramfsOrder) -> Iterator[Finding]:
    path, tool = script.path, "mkinitcpio"
    missing = not order.holds(path)
    driver = order.earlier
    if not missing and not driver:
        return
    said = {"tool": tool, "path": path} | ({"driver": driver} if driver else {})
    text = (
        NOT_IN_IMAGE if not driver else NOT_IN_IMAGE_LATE if missing else DRIVER_FIRST
    )
    rows = tuple(_rows(script, order, missing))
    advice = INCLUDE.filled(path=path, config=order.config)
    yield Finding(_place(script), text.filled(**said), rows, None, advice)


def _rows(script: Script, order: InitramfsOrder, missing: bool) -> Iterator[Evidence]:
    yield Evidence(script.source, script.command)
    if missing:
        yield Evidence(order.config, _shown("FILES", order.files), _included(script))
    if order.earlier:
        before = BEFORE.filled(driver=order.earlier)
        yield Evidence(order.config, _shown("MODULES", order.modules), before)


def _included(script: Script) -> Message:
    return INCLUDED.filled(path=script.path)


def _shown(name: str, words: tuple[str, ...]) -> str:
    return f"{name}=({' '.join(words)})"


def _place(script: Script) -> Place:
    path, _, line = script.source.rpartition(":")
    return FilePlace(path, int(line))
