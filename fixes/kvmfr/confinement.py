"""Have AppArmor and SELinux let virtual machines open the kvmfr device."""

from __future__ import annotations

from vfio_doctor.api import (
    MAP_MODULE,
    MAP_RULE,
    VM_TYPE,
    Actor,
    AppArmor,
    Applicability,
    CannotFix,
    Change,
    EditLine,
    Facts,
    FileContext,
    Finding,
    Fix,
    Generated,
    Iterator,
    NodePlace,
    PolicyModule,
    SeLinux,
    Terms,
    WriteFile,
    kvmfr_node,
    say,
    type_of,
)

PATTERN = "/dev/kvmfr[0-9]+"
FILE = f"/etc/selinux/vfio-doctor/{MAP_MODULE}.cil"
NO_HOOK = say(
    "open-kvmfr-no-hook",
    "which file libvirt's abstraction includes for rules of one's own is not seen",
)
DENIED = say("open-kvmfr-denied", "a rule that is there denies it, which only you know")
LOST = say(
    "label-kvmfr-lost",
    "Every VM may then open the device, as long as owner and mode let it. It was tried"
    " with Debian's policy, not with each of the others: if the VM is still refused,"
    " undo it.",
)
NOT_A_NODE = say("open-kvmfr-not-a-node", "{place} is not a device node")


def _path(finding: Finding) -> str:
    match finding.place:
        case NodePlace(path):
            return path
    raise CannotFix(NOT_A_NODE.filled(place=str(finding.place)))


class OpenKvmfrInApparmor(Fix):
    """Adds a rule for the device to the file that libvirt's profiles include.

    libvirt makes the profile of a VM anew when it starts, so that nothing is loaded.
    """

    id = "open-kvmfr-in-apparmor"
    solves = ("kvmfr-apparmor-denies",)
    summary = "Have AppArmor let virtual machines open the kvmfr device"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the rule's line."""
        path, armor = _path(finding), facts[AppArmor]
        facts[Generated].refuse()
        if not armor.hook:
            raise CannotFix(NO_HOOK)
        if any(text.verdict(path) is False for _, text in armor.texts):
            raise CannotFix(DENIED)
        yield EditLine(armor.hook, "", f"{path} rw,")


class LabelKvmfr(Fix):
    """Gives kvmfr devices the SELinux type svirt_image_t, by a local file context.

    It is set with semanage, and the device is relabelled with restorecon. At the next
    boot udev gives the label by the same file context. Debian's policy does not let VMs
    map a device of that type: there a module with that one rule is loaded.
    """

    id = "label-kvmfr"
    solves = ("kvmfr-selinux-label",)
    applicability = Applicability.RISKY
    summary = "Give kvmfr devices a type that SELinux opens to VMs"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the file context; nothing if a udev rule gives the label already."""
        if finding.who_acts is not Actor.TOOL:
            return
        yield Terms(may_be_lost=LOST)
        path, selinux = _path(finding), facts[SeLinux]
        node = kvmfr_node(facts, path)
        if node is None or type_of(node.label) != VM_TYPE:
            yield FileContext(PATTERN, VM_TYPE, path)
        if not selinux.maps:
            yield WriteFile(FILE, f"{MAP_RULE}\n")
            yield PolicyModule(FILE)
