"""Check of what Looking Glass's client is told to open."""

from __future__ import annotations

import re

from vfio_doctor.api import (
    FIRST_NODE,
    SHARED_FILE,
    Actor,
    Check,
    ClientSetting,
    ClientSettings,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Iterator,
    KvmfrIntent,
    KvmfrNodes,
    NodePlace,
    NotApplicable,
    Severity,
    Vm,
    Vms,
    known,
    say,
)

LOOKING_GLASS = rf"/dev/kvmfr[0-9]+|{SHARED_FILE}"
NO_VM = say(
    "kvmfr-client-no-vm", "no VM that is defined here has memory for Looking Glass"
)
ELSEWHERE = say(
    "kvmfr-client-elsewhere",
    "The Looking Glass client is told to open {device}, and the VMs here share {paths}:"
    " it waits for a picture that never comes.",
)
BY_ITSELF = say(
    "kvmfr-client-by-itself",
    "/dev/kvmfr0 is there, so the Looking Glass client opens it unless it is told"
    " otherwise, and the VMs here share {paths}: it waits for a picture that never"
    " comes.",
)
SHARES = say("kvmfr-client-vm-shares", "shares {path}")
WANTED = say("kvmfr-client-wanted", "shmFile = {path}")
NAMES_NONE = say("kvmfr-client-names-none", "no device is named")
CLIENT = say("kvmfr-client", "settings of the client")
CHANGE = say(
    "kvmfr-client-change",
    "In {file}, write `shmFile={path}` below [app] (newer clients: shmDevice, below"
    " [lgmp]), or start the client with `-f {path}`.",
)
NAME_IT = say(
    "kvmfr-client-name-it",
    "Start the client with `-f {path}`, or write `shmFile={path}` below [app] into"
    " ~/.config/looking-glass/client.ini. If no VM uses kvmfr any more, remove what"
    " loads it.",
)


class KvmfrClientElsewhere(Check):
    """The Looking Glass client opens other memory than the VMs share.

    What it does:
    Reads the client's settings, the system's and yours, and compares the memory that
    they name with what the VMs that are defined here share. Without a setting the
    client opens /dev/kvmfr0 if that is there, and /dev/shm/looking-glass if not.

    Why is this bad?
    The client starts, finds nothing of the guest's, and waits: "The host application
    seems to not be running". It happens after a VM was moved from plain shared memory
    to kvmfr, or back.

    How it is repaired:
    By hand: the settings are yours.

    See it yourself:
        grep -ri -e shmfile -e shmdevice ~/.config/looking-glass /etc/looking-glass*
        sudo grep -e kvmfr -e '<shmem' /etc/libvirt/qemu/*.xml

    False alarms:
    What a launcher or an alias gives the client (`-f`) is not seen, nor are VMs of
    other people or those that a script starts.
    """

    id = "kvmfr-client-elsewhere"
    severity = Severity.WARNING
    title = "The Looking Glass client opens memory that no VM shares"
    requires = ("kvmfr-vm-mapping",)
    explains = False

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if no VM shares what the client opens."""
        facts[KvmfrIntent].demand()
        shared = {p: vm for vm in facts[Vms].vms for p in _paths(vm)}
        settings = facts[ClientSettings]
        for missing in settings.unread:
            known(missing)
        ours = {p: vm for p, vm in shared.items() if re.fullmatch(LOOKING_GLASS, p)}
        device = settings.setting.device if settings.setting else _usual(facts)
        if device in shared:
            return
        for missing in facts[Vms].unread:
            known(missing)
        if not ours:
            raise NotApplicable(NO_VM)
        if device:
            yield _finding(settings.setting, device, ours)


def _paths(vm: Vm) -> tuple[str, ...]:
    mapped = (mapping.path for mapping in vm.shared.mapped)
    return (*mapped, *(f"/dev/shm/{name}" for name in vm.shared.shmem))


def _usual(facts: Facts) -> str:
    """Return what the client opens by itself, "" if that is no kvmfr device."""
    nodes = [node.path for node in facts[KvmfrNodes].nodes]
    return FIRST_NODE if FIRST_NODE in nodes else ""


def _finding(
    setting: ClientSetting | None, device: str, shared: dict[str, Vm]
) -> Finding:
    paths = tuple(sorted(shared))
    wanted = WANTED.filled(path=paths[0])
    rows = [Evidence(vm.path, SHARES.filled(path=path)) for path, vm in shared.items()]
    if setting is None:
        rows.insert(0, Evidence(CLIENT, NAMES_NONE, wanted))
        message, advice = BY_ITSELF.filled(paths=paths), NAME_IT.filled(path=paths[0])
        place: FilePlace | NodePlace = NodePlace(device)
    else:
        place = FilePlace(setting.path, setting.line)
        rows.insert(0, Evidence(str(place), setting.raw, wanted))
        message = ELSEWHERE.filled(device=device, paths=paths)
        advice = CHANGE.filled(file=setting.path, path=paths[0])
    return Finding(place, message, tuple(rows), None, advice, Actor.USER)
