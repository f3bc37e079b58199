"""Check of what the initramfs holds of modprobe.d."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Check,
    Evidence,
    Facts,
    Finding,
    Iterator,
    ModulePlace,
    OldOption,
    OldOptions,
    Severity,
    known,
    say,
)

OLD = say(
    "module-options-not-in-image",
    "{module} runs without {option}, which {path} gives it: {source} has the initramfs"
    " load {module}, and the image holds modprobe.d as it was when it was made.",
)
REBUILD = say(
    "module-options-rebuild-image",
    "Build the image anew (`{command}`), and reboot. Loading the module again helps"
    " until the next boot only.",
)


class ModuleOptionsNotInImage(Check):
    """The initramfs loads a module with older options than modprobe.d has.

    What it does:
    For every module that the configuration of initramfs-tools, mkinitcpio or dracut has
    the initramfs load, compares the options in modprobe.d with the values that the
    running module has. Drivers of graphics cards count if mkinitcpio's hook kms takes
    them in, others than KVM's and VFIO's if the image's own list of files shows them.
    If the image is newer than the file, or an argument of the kernel decides, nothing
    is said.

    Why is this bad?
    The image has a copy of modprobe.d. What is changed in /etc afterwards looks
    right, survives every reboot, and never has an effect: the module is loaded before
    /etc is there.

    How it is repaired:
    The images are made anew by the host's own tool, and read back. The options count
    from the next boot on.

    See it yourself:
        grep -r . /etc/modprobe.d /sys/module/vfio*/parameters
        ls -l --time-sort /boot /etc/modprobe.d
        lsinitramfs /boot/initrd.img-$(uname -r) | grep modprobe.d

    False alarms:
    If a program sets the parameter after boot, by writing to /sys/module, the value
    that runs is that program's. Parameters that the kernel shows to nobody, such as
    the ids of vfio-pci, cannot be compared: devices that are not bound have a rule of
    their own.
    """

    id = "module-options-not-in-image"
    severity = Severity.WARNING
    title = "The initramfs has older module options than modprobe.d"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding an option."""
        old = facts[OldOptions]
        for one in old.found:
            yield _old(one)
        if old.unread is not None:
            known(old.unread)


def _old(one: OldOption) -> Finding:
    path = str(one.option.source)
    rows = (
        Evidence(one.sysfs, one.running, one.written),
        Evidence(path, one.written),
        Evidence(one.source, one.module),
    )
    said = OLD.filled(
        module=one.module, option=one.written, path=path, source=one.source
    )
    advice = REBUILD.filled(command=one.command)
    place = ModulePlace(one.module)
    return Finding(place, said, rows, None, advice, Actor.TOOL)
