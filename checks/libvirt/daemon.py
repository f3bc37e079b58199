"""Checks of what starts libvirt's daemons."""

from __future__ import annotations

from vfio_doctor.api import (
    OPENRC,
    RUNIT,
    Actor,
    Check,
    Daemon,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    HostPlace,
    Iterator,
    LibvirtDaemons,
    LibvirtIntent,
    Message,
    NotApplicable,
    Severity,
    Vms,
    known,
    say,
)

NO_VM = say("libvirt-no-system-vm", "the system instance has no VM")
NO_UNIT = say("libvirt-no-unit", "no unit of systemd's starts libvirt here")
NO_SERVICE = say("libvirt-no-service", "no service of {init} starts libvirt here")
NOTHING = say(
    "libvirt-daemon-off",
    "VMs are defined, and nothing starts {daemons}: neither at boot nor when somebody"
    " connects.",
)
MASKED = say(
    "libvirt-daemon-masked",
    "VMs are defined, and {units} is masked: nothing starts {daemons}.",
)
ENABLED = say("libvirt-daemon-enabled", "enabled")
NOT_ENABLED = say("libvirt-daemon-not-enabled", "not enabled")
IS_MASKED = say("libvirt-daemon-is-masked", "masked: a link to /dev/null")
ENABLE = say("libvirt-daemon-enable", "Run `sudo systemctl enable --now {unit}`.")
BY_INIT = {
    OPENRC: say(
        "libvirt-daemon-rc-update",
        "Run `sudo rc-update add {name} default` and `sudo rc-service {name} start`.",
    ),
    RUNIT: say(
        "libvirt-daemon-runit",
        "Have runit start it: `sudo ln -s {path} /etc/runit/runsvdir/default/`. If"
        " {path} has a file `down`, delete that.",
    ),
}
KEEP_ONE_OTHERWISE = say(
    "libvirt-daemons-keep-one-otherwise",
    "Keep one of the two: shut the VMs down, and have {init} start only that one.",
)
UNMASK = say(
    "libvirt-daemon-unmask",
    "If it was not masked on purpose, run `sudo systemctl unmask {units}` and"
    " `sudo systemctl enable --now {unit}`.",
)
BOTH = say(
    "libvirt-daemons-doubled",
    "{units} are enabled: the daemon of QEMU alone and the one of all drivers both take"
    " the VMs of the system instance.",
)
ONE = say("libvirt-daemons-one", "one of the two")
KEEP_ONE = say(
    "libvirt-daemons-keep-one",
    "Keep the modular ones, which newer releases use: shut the VMs down, run `sudo"
    " systemctl disable --now {old}`, then `sudo systemctl enable --now {new}`.",
)


def _installed(facts: Facts) -> tuple[Daemon, ...]:
    """Return the daemons with units, if the system instance has VMs to start."""
    facts[LibvirtIntent].demand()
    if not any(vm.of_system for vm in facts[Vms].vms):
        for missing in facts[Vms].unread:
            known(missing)
        raise NotApplicable(NO_VM)
    found, init = facts[LibvirtDaemons]
    if not found:
        raise NotApplicable(NO_SERVICE.filled(init=init) if init else NO_UNIT)
    return found


def _seen(daemon: Daemon, unit: str) -> Message:
    if unit in daemon.masked:
        return IS_MASKED
    return ENABLED if unit in daemon.enabled else NOT_ENABLED


def _rows(found: tuple[Daemon, ...]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(unit, _seen(daemon, unit), ENABLED)
        for daemon in found
        for unit in daemon.units
    )


class LibvirtDaemonOff(Check):
    """Virtual machines are defined, and nothing starts libvirt's daemon.

    What it does:
    If the system instance has VMs, looks for what starts libvirtd or virtqemud: units
    that are enabled by the administrator or the distribution, and that are not
    masked. With OpenRC it looks in /etc/runlevels, with runit in /etc/runit/runsvdir.

    Why is this bad?
    Programs cannot connect: "Failed to connect socket to
    '/var/run/libvirt/virtqemud-sock'". It happens after an update moved from libvirtd
    to virtqemud, or on an image whose services were never enabled.

    How it is repaired:
    The daemon's socket is enabled and started. If both daemons are installed, or a
    unit is masked, which one it should be is your choice: then by hand. With OpenRC
    and runit it is by hand too.

    See it yourself:
        systemctl is-enabled libvirtd.socket virtqemud.socket
        ls -l /run/libvirt/*-sock

    False alarms:
    If you start the daemon by hand each time, its socket is there while it runs, and
    the finding is only a warning.
    """

    id = "libvirt-daemon-off"
    severity = Severity.ERROR
    title = "Nothing starts libvirt's daemon"
    requires = ("libvirt-account-missing", "libvirt-conf-refused")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if no daemon is started by anything."""
        found = _installed(facts)
        if any(daemon.starts for daemon in found):
            return
        names = tuple(daemon.name for daemon in found)
        masked = tuple(unit for daemon in found for unit in daemon.masked)
        unit = f"{names[0]}.socket"
        message, advice = NOTHING.filled(daemons=names), ENABLE.filled(unit=unit)
        if masked:
            message = MASKED.filled(daemons=names, units=masked)
            advice = UNMASK.filled(units=" ".join(masked), unit=unit)
        runs = any(daemon.listens for daemon in found)
        how_bad = Severity.WARNING if runs else None
        who = Actor.USER if masked or len(found) > 1 else Actor.TOOL
        if init := facts[LibvirtDaemons].init:
            who, path = Actor.USER, found[-1].units[0]
            advice = BY_INIT[init].filled(name=found[-1].name, path=path)
        yield Finding(HostPlace(), message, _rows(found), how_bad, advice, who)


class LibvirtDaemonsDoubled(Check):
    """Both of libvirt's daemons for QEMU are enabled.

    What it does:
    Looks whether libvirtd and virtqemud are both started by something.

    Why is this bad?
    Each takes the VMs of the system instance for its own. Which one a program reaches
    depends on who came first, settings that one has read are unknown to the other,
    and networks and VMs seem to come and go.

    How it is repaired:
    By hand: VMs have to be shut down while one is switched off.

    See it yourself:
        systemctl is-enabled libvirtd.socket libvirtd.service virtqemud.socket

    False alarms:
    None are known: upstream has the two exclude each other.
    """

    id = "libvirt-daemons-doubled"
    severity = Severity.WARNING
    title = "Both of libvirt's daemons for QEMU are enabled"
    explains = False

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if both are started by something."""
        starting = [daemon for daemon in _installed(facts) if daemon.starts]
        if len(starting) < 2:
            return
        new, old = (daemon.enabled for daemon in starting)
        rows = tuple(Evidence(unit, ENABLED, ONE) for unit in (*new, *old))
        init = facts[LibvirtDaemons].init
        place = HostPlace() if init else FilePlace("/etc/systemd/system")
        message = BOTH.filled(units=(*new, *old))
        advice = KEEP_ONE.filled(old=" ".join(old), new=" ".join(new))
        if init:
            advice = KEEP_ONE_OTHERWISE.filled(init=init)
        yield Finding(place, message, rows, None, advice, Actor.USER)
