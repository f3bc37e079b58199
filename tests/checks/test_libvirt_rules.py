"""False alarms and their neighbours, of each check of libvirt."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts, file, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import result, whole
from support.rows import for_each
from vfio_doctor.checks.kvmfr.devices import KvmfrNotInDeviceList
from vfio_doctor.checks.libvirt.account import LibvirtAccountMissing
from vfio_doctor.checks.libvirt.conf import LibvirtConfRefused, LibvirtListWithoutKvm
from vfio_doctor.checks.libvirt.daemon import LibvirtDaemonOff, LibvirtDaemonsDoubled
from vfio_doctor.checks.libvirt.devices import LibvirtDevicesHidden
from vfio_doctor.checks.libvirt.memory import LibvirtSharedMemoryClosed
from vfio_doctor.checks.vfio.node import VfioNodeClosed
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import AclEntry, Kind, Missing, Stat, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Severity, Status

MODULAR, MONOLITHIC, MEMORY = lv.MODULAR, lv.MONOLITHIC, lv.OWN_MEMORY
PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
NO_ACCOUNT = file("/etc/passwd", PASSWD)
LIST = "cgroup_device_acl"


def judged(check: type, base: tuple[Parts, ...], *parts: Parts) -> CheckResult:
    return result(whole(*base, *parts), check)


def said(found: CheckResult) -> list[str]:
    return [d.finding.message.id for d in found.diagnoses]


def conf(text: str) -> Parts:
    return file(lv.CONF, text)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f'{LIST} = ["/dev/null", "/dev/kvm", "/dev/kvmfr0"]\n', Status.PASS),
        (f"{LIST} = ['/dev/kvm', '/dev/kvmfr0',]\n", Status.PASS),
        (f'{LIST} = ["/dev/kvm", "/dev/kvmfr01"]\n', Status.FAIL),
        (f'{LIST} = ["/dev/kvmfr0"]\n{LIST} = ["/dev/null"]\n', Status.PASS),
        (f'{LIST} = ["/dev/null"]\n{LIST} = ["/dev/kvmfr0"]\n', Status.FAIL),
        (f'# {LIST} = ["/dev/kvmfr0"]\nuser = "root"\n', Status.FAIL),
        (f'{LIST} = ["/dev/null"]\nnamespaces = []\n', Status.FAIL),
        (
            'namespaces = []\ncgroup_controllers = ["cpu"]\n',
            Status.NOT_APPLICABLE,
        ),
        (f'{LIST} = "/dev/kvmfr0"\n', Status.UNKNOWN),
        (f"{LIST} = [\n", Status.UNKNOWN),
    ],
)
def test_the_list_in_force_decides(text: str, status: Status) -> None:
    found = judged(KvmfrNotInDeviceList, MODULAR.parts, conf(text))
    assert found.status is status, found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('namespaces = "mount"\n', "libvirt-conf-mistaken"),
        ("user = 0\n", "libvirt-conf-mistaken"),
        ('dynamic_ownership = "0"\n', "libvirt-conf-mistaken"),
        ("user = 0\ngroup = qemu\n", "libvirt-conf-refused"),
        ('security_driver = "apparmor"\n', "libvirt-conf-driver-off"),
        ('security_driver = ["selinux", "apparmor"]\n', "libvirt-conf-driver-off"),
        ('security_driver = ["selinux"]\n', ""),
        ('security_driver = "none"\n', ""),
        ("security_driver = []\nnamespaces = []\n", ""),
    ],
)
def test_what_libvirt_refuses_is_said_and_nothing_else(text: str, message: str) -> None:
    found = judged(LibvirtConfRefused, MODULAR.parts, conf(text))
    assert said(found) == [message] * bool(message)
    listed = judged(KvmfrNotInDeviceList, MODULAR.parts, conf(text))
    assert (listed.status is Status.UNKNOWN) is (
        message not in ("", "libvirt-conf-driver-off")
    )


def test_a_kernel_that_nobody_looked_at_has_either_driver() -> None:
    files = ("/sys/fs/selinux/enforce", "/sys/module/apparmor/parameters/enabled")
    unseen = Parts(files={p: Missing(p, Why.NOT_CAPTURED) for p in files})
    text = conf('security_driver = ["selinux", "apparmor"]\n')
    found = judged(LibvirtConfRefused, MODULAR.parts, text, unseen)
    assert found.status is Status.PASS


def test_a_file_that_nobody_may_read_decides_nothing() -> None:
    shut = Parts(files={lv.CONF: hosts.denied(lv.CONF)})
    for check in (KvmfrNotInDeviceList, LibvirtConfRefused, LibvirtListWithoutKvm):
        found = judged(check, MODULAR.parts, shut)
        assert (found.status, found.needs_root) == (Status.UNKNOWN, True)


def test_vms_that_nobody_may_read_decide_nothing() -> None:
    folder = "/etc/libvirt/qemu"
    host = whole(*MODULAR.parts, gone(folder))
    host.capture.lists[folder] = Missing(folder, Why.DENIED)
    found = result(host, KvmfrNotInDeviceList)
    assert (found.status, found.needs_root) == (Status.UNKNOWN, True)


def test_the_list_does_not_help_a_device_that_is_not_made() -> None:
    found = judged(KvmfrNotInDeviceList, MODULAR.parts, lv.vm(128, "/dev/kvmfr1"))
    assert found.status is Status.PASS


def test_without_a_vm_that_maps_it_the_list_may_be_any() -> None:
    own = "/home/alice/.config/libvirt/qemu/win11.xml"
    definition = lv.vm(128).files[lv.VM_FILE]
    assert not isinstance(definition, Missing)
    for parts in (
        (gone(lv.VM_FILE),),
        (file(lv.VM_FILE, lv.SHMEM),),
        (gone(lv.VM_FILE), file(own, definition)),
    ):
        found = judged(KvmfrNotInDeviceList, MODULAR.parts, *parts, lv.conf(""))
        assert found.status is Status.NOT_APPLICABLE


def test_a_record_of_the_log_shows_that_a_vm_had_the_device() -> None:
    line = (
        'avc: denied { read } name="kvmfr0" dev="tmpfs" scontext=u:r:svirt_t:s0'
        " tcontext=u:object_r:device_t:s0 tclass=chr_file permissive=0\n"
    )
    log = Parts(commands={("dmesg",): hosts.ran(("dmesg",), line)})
    found = judged(KvmfrNotInDeviceList, MODULAR.parts, lv.conf(""), log)
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f'{LIST} = ["/dev/null"]\n', Status.FAIL),
        (lv.SHIPPED + f'{LIST} = ["/dev/null"]\n', Status.FAIL),
        # libvirt 12: its own sample lacks the device, since it needs no list for it.
        (
            lv.SHIPPED.replace(' "/dev/kvm",', "") + f'{LIST} = ["/dev/null"]\n',
            Status.PASS,
        ),
        (lv.SHIPPED, Status.NOT_APPLICABLE),
    ],
)
def test_a_list_of_ones_own_needs_kvm(text: str, status: Status) -> None:
    assert judged(LibvirtListWithoutKvm, MODULAR.parts, conf(text)).status is status


@pytest.mark.parametrize(
    ("text", "passwd", "status", "message"),
    [
        ("", NO_ACCOUNT, Status.FAIL, "libvirt-account-no-usual"),
        ('#user = "qemu"\n', NO_ACCOUNT, Status.FAIL, "libvirt-account-no-user"),
        ('user = "bob"\n', Parts(), Status.FAIL, "libvirt-account-no-user"),
        ('user = "+107"\n', NO_ACCOUNT, Status.PASS, ""),
        ('user = "root"\n', NO_ACCOUNT, Status.PASS, ""),
        ('user = "alice"\n', NO_ACCOUNT, Status.PASS, ""),
        ('#user = "root"\n', Parts(), Status.PASS, ""),
        ('group = "games"\n', Parts(), Status.FAIL, "libvirt-account-no-group"),
        ('group = "kvm"\n', Parts(), Status.PASS, ""),
    ],
)
def test_accounts(text: str, passwd: Parts, status: Status, message: str) -> None:
    found = judged(LibvirtAccountMissing, MODULAR.parts, conf(text), passwd)
    assert found.status is status
    assert said(found) == [message] * bool(message)


def test_an_account_of_another_service_is_one() -> None:
    argv = ("getent", "passwd", "qemu")
    known = Parts(commands={argv: hosts.ran(argv, "qemu:x:9:9::/:/bin/sh\n")})
    unknown = Parts(commands={argv: hosts.ran(argv, "", 2)})
    text = conf('#user = "qemu"\n')
    for answer, status in ((known, Status.PASS), (unknown, Status.FAIL)):
        found = judged(LibvirtAccountMissing, MODULAR.parts, text, NO_ACCOUNT, answer)
        assert found.status is status


def test_nixos_starts_qemu_as_root() -> None:
    nixos = file("/etc/os-release", "ID=nixos\n")
    text = conf("namespaces = []\n")
    found = judged(LibvirtAccountMissing, MODULAR.parts, nixos, NO_ACCOUNT, text)
    assert found.status is Status.PASS


OFF = gone(f"{lv.OWN_UNITS}/sockets.target.wants")


def mask(unit: str) -> Parts:
    return Parts(stats={f"{lv.OWN_UNITS}/{unit}": hosts.link("/dev/null")})


@pytest.mark.parametrize(
    ("parts", "severity"),
    [
        ((OFF,), Severity.ERROR),
        ((OFF, lv.programs("libvirtd")), Severity.ERROR),
        ((OFF, lv.programs("libvirtd"), lv.enabled("libvirtd.socket")), None),
        ((mask("virtqemud.service"),), Severity.ERROR),
        ((mask("virtqemud.socket"), lv.enabled("virtqemud.service")), None),
        ((OFF, file("/run/libvirt/virtqemud-sock", "")), Severity.WARNING),
        ((mask("libvirtd.service"),), None),
    ],
)
def test_daemons(parts: tuple[Parts, ...], severity: Severity | None) -> None:
    found = judged(LibvirtDaemonOff, MODULAR.parts, *parts)
    assert [d.severity for d in found.diagnoses] == [severity] * bool(severity)
    assert found.status is (Status.FAIL if severity else Status.PASS)


HARD = f"{lv.OWN_UNITS}/virtqemud.service.d/hard.conf"
OTHER = f"{lv.OWN_UNITS}/libvirtd.service.d/hard.conf"


@for_each(
    ("parts", "status"),
    [
        ((file(HARD, "[Service]\nPrivateDevices=yes\n"),), Status.FAIL),
        ((file(HARD, "[Service]\nPrivateDevices=1\n"), OFF), Status.FAIL),
        ((file(HARD, "[Service]\nPrivateDevices=no\n"),), Status.PASS),
        (
            (file(HARD, "[Service]\nPrivateDevices=on\nPrivateDevices=off\n"),),
            Status.PASS,
        ),
        ((file(HARD, "[Unit]\nPrivateDevices=yes\n"),), Status.PASS),
        ((file(HARD, "[Service]\n#PrivateDevices=yes\n"),), Status.PASS),
        # Another daemon's unit, which nothing starts; then only that one is started.
        (
            (lv.programs("libvirtd"), file(OTHER, "[Service]\nPrivateDevices=yes\n")),
            Status.PASS,
        ),
        (
            (
                OFF,
                lv.programs("libvirtd"),
                lv.enabled("libvirtd.service"),
                file(OTHER, "[Service]\nPrivateDevices=yes\n"),
            ),
            Status.FAIL,
        ),
        (
            (Parts({HARD: Missing(HARD, Why.DENIED)}),),
            Status.UNKNOWN,
        ),
        (
            (gone(lv.VM_FILE), file(HARD, "[Service]\nPrivateDevices=yes\n")),
            Status.NOT_APPLICABLE,
        ),
    ],
)
def test_a_daemon_sees_the_devices(parts: tuple[Parts, ...], status: Status) -> None:
    host = whole(*MODULAR.parts, *parts)
    assert result(host, LibvirtDevicesHidden).status is status
    redacted = CapturedHost(redact(host.capture).capture)
    assert result(redacted, LibvirtDevicesHidden).status is status


def test_what_the_distribution_enables_counts() -> None:
    wants = "/usr/lib/systemd/system/sockets.target.wants/virtqemud.socket"
    link = Parts(stats={wants: hosts.link("../virtqemud.socket")})
    assert judged(LibvirtDaemonOff, MODULAR.parts, OFF, link).status is Status.PASS


def test_any_target_may_want_it() -> None:
    wants = f"{lv.OWN_UNITS}/graphical.target.wants/virtqemud.service"
    link = Parts(stats={wants: hosts.link("../virtqemud.service")})
    assert judged(LibvirtDaemonOff, MODULAR.parts, OFF, link).status is Status.PASS


def test_without_units_systemd_starts_none() -> None:
    units = gone("/usr/lib/systemd/system", lv.OWN_UNITS)
    for check in (LibvirtDaemonOff, LibvirtDaemonsDoubled):
        found = judged(check, MODULAR.parts, units)
        assert found.status is Status.NOT_APPLICABLE


VOID, GENTOO = lv.VOID.parts, lv.GENTOO.parts
LINKS = gone("/etc/runit/runsvdir/default/libvirtd")
RUNSVDIR = Parts(folders=("/etc/runit/runsvdir/default",))
LEVELS = Parts(folders=("/etc/runlevels/default",))
ADDED = gone("/etc/runlevels/default/libvirtd")


@pytest.mark.parametrize(
    ("parts", "status", "advice"),
    [
        (VOID, Status.PASS, ""),
        ((*VOID, file("/etc/sv/libvirtd/down", "")), Status.FAIL, "runit"),
        ((*VOID, LINKS, RUNSVDIR), Status.FAIL, "runit"),
        (
            (*VOID, LINKS, RUNSVDIR, file("/var/service/libvirtd", "")),
            Status.PASS,
            "",
        ),
        ((*VOID, gone("/etc/sv")), Status.NOT_APPLICABLE, ""),
        (GENTOO, Status.PASS, ""),
        ((*GENTOO, ADDED, LEVELS), Status.FAIL, "rc-update"),
        (
            (*GENTOO, ADDED, file("/etc/runlevels/boot/libvirtd", "")),
            Status.PASS,
            "",
        ),
        ((*GENTOO, gone("/etc/init.d")), Status.NOT_APPLICABLE, ""),
        ((*GENTOO, gone("/run/openrc"), Parts(folders=("/run/s6-rc",))), None, ""),
    ],
)
def test_another_init_starts_it_in_its_own_way(
    parts: tuple[Parts, ...], status: Status | None, advice: str
) -> None:
    found = judged(LibvirtDaemonOff, parts)
    assert found.status is (status or Status.UNKNOWN)
    told = [d.finding.advice.id for d in found.diagnoses if d.finding.advice]
    assert told == [f"libvirt-daemon-{advice}"] * bool(advice)
    fixes = [d.fix.cannot.id for d in found.diagnoses if d.fix and d.fix.cannot]
    assert fixes == []


@pytest.mark.parametrize("second", ["/etc/sv/virtqemud", "/etc/init.d/virtqemud"])
def test_two_daemons_of_another_init_are_named(second: str) -> None:
    runit = second.startswith("/etc/sv")
    folder = "/etc/runit/runsvdir/default" if runit else "/etc/runlevels/default"
    both = Parts(stats={f"{folder}/virtqemud": hosts.link(second)})
    found = judged(
        LibvirtDaemonsDoubled, VOID if runit else GENTOO, file(second, ""), both
    )
    (one,) = found.diagnoses
    assert one.finding.advice is not None
    assert one.finding.advice.id == "libvirt-daemons-keep-one-otherwise"


def test_two_daemons_of_which_one_is_masked_are_one() -> None:
    both = (lv.programs("libvirtd"), lv.enabled("libvirtd.service"))
    assert said(judged(LibvirtDaemonsDoubled, MODULAR.parts, *both))
    masked = mask("libvirtd.service")
    assert not said(judged(LibvirtDaemonsDoubled, MODULAR.parts, *both, masked))


SHM = "/dev/shm/looking-glass"


def memory(mode: int, user: str, uid: int, group: str, gid: int) -> Stat:
    return Stat(Kind.FILE, mode, uid, gid, user, group, size=1 << 25)


ALICE = AclEntry("user", 1000, 6)
CLOSED = memory(0o600, "libvirt-qemu", 107, "kvm", 104)
OWN = AclEntry("user_obj", -1, 6)
SEEN = CLOSED._replace(acl=(OWN, ALICE, AclEntry("mask", -1, 6)))


@pytest.mark.parametrize(
    ("stat", "status"),
    [
        (CLOSED, Status.FAIL),
        (memory(0o644, "libvirt-qemu", 107, "kvm", 104), Status.FAIL),
        (memory(0o660, "alice", 1000, "kvm", 104), Status.PASS),
        (memory(0o660, "alice", 1000, "alice", 1000), Status.FAIL),
        (memory(0o600, "alice", 1000, "kvm", 104), Status.FAIL),
        (memory(0o666, "libvirt-qemu", 107, "kvm", 104), Status.PASS),
        (SEEN, Status.PASS),
        (Missing(SHM, Why.DENIED), Status.UNKNOWN),
    ],
)
def test_the_file_of_shared_memory(stat: Stat | Missing, status: Status) -> None:
    found = judged(LibvirtSharedMemoryClosed, MEMORY.parts, Parts(stats={SHM: stat}))
    assert found.status is status


MAKER = "/etc/tmpfiles.d/10-looking-glass.conf"


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("0660 alice kvm -", ""),
        ("0660 1000 104 -", ""),
        ("0666 - - -", ""),
        ("~0660 alice kvm -", ""),
        ("0660 bob kvm -", "libvirt-shared-memory-not-made"),
        ("0660 alice kvmm -", "libvirt-shared-memory-not-made"),
        ("0600 alice kvm -", "libvirt-shared-memory-made-closed"),
        ("0660 libvirt-qemu kvm -", "libvirt-shared-memory-made-closed"),
        ("- - - -", "libvirt-shared-memory-made-closed"),
    ],
)
def test_the_line_of_tmpfiles_opens_the_file_for_both(words: str, right: str) -> None:
    line = file(MAKER, f"f {SHM} {words}\n")
    found = judged(LibvirtSharedMemoryClosed, MEMORY.parts, line)
    told = [(d.finding.message.id, d.severity) for d in found.diagnoses]
    assert told == [(right, Severity.WARNING)] * bool(right)


def test_a_qemu_that_runs_as_the_person_makes_it_open() -> None:
    unmade = gone("/etc/tmpfiles.d/10-looking-glass.conf")
    text = lv.conf('user = "alice"\n', "libvirt-qemu")
    check = LibvirtSharedMemoryClosed
    assert said(judged(check, MEMORY.parts, unmade))
    assert not said(judged(check, MEMORY.parts, unmade, text))


def test_shared_memory_of_another_name_is_another_matter() -> None:
    sound = lv.SHMEM.replace("looking-glass", "scream").replace(">64<", ">2<")
    other = file("/etc/libvirt/qemu/win10.xml", sound)
    found = judged(LibvirtSharedMemoryClosed, MEMORY.parts, other)
    assert found.status is Status.NOT_APPLICABLE


def test_nothing_is_judged_without_libvirt() -> None:
    none = gone("/etc/libvirt")
    for check in (LibvirtAccountMissing, LibvirtConfRefused, LibvirtDaemonOff):
        found = judged(check, MONOLITHIC.parts, none)
        assert found.status is Status.NOT_APPLICABLE


CONTAINER = "/dev/vfio/vfio"


@pytest.mark.parametrize(
    ("stat", "text", "status"),
    [
        (hosts.char_node(0o600, "root", 0, "root", 0, (10, 196)), "", Status.FAIL),
        (hosts.char_node(0o660, "root", 0, "kvm", 104, (10, 196)), "", Status.PASS),
        (hosts.char_node(0o666, "root", 0, "root", 0, (10, 196)), "", Status.PASS),
        (
            hosts.char_node(0o600, "root", 0, "root", 0, (10, 196)),
            'user = "root"\n',
            Status.PASS,
        ),
        (Missing(CONTAINER, Why.ABSENT), "", Status.NOT_APPLICABLE),
        (Missing(CONTAINER, Why.DENIED), "", Status.UNKNOWN),
    ],
)
def test_the_node_of_vfio(stat: Stat | Missing, text: str, status: Status) -> None:
    base, node = lv.PASSED.parts, Parts(stats={CONTAINER: stat})
    settings = lv.conf(text, "libvirt-qemu")
    if isinstance(stat, Missing) and stat.why is Why.ABSENT:
        node = gone(CONTAINER)
    found = judged(VfioNodeClosed, base, settings, node)
    assert found.status is status
