"""Siblings of the cases: what loads kvmfr, and with which size."""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import bluefin
from support.fixture_hosts.recipes import libvirt as lv
from support.hosts import changed, denied
from support.machines import whole
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvmfr.size import KvmfrSize
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis, EditLine, LoadModule, Status

LIST = "/etc/modules-load.d/kvmfr.conf"
OPTIONS = "/etc/modprobe.d/kvmfr.conf"
REGISTRY = load()


def found(check: str, *parts: Parts) -> tuple[Diagnosis, ...]:
    """Return what a check says of a healthy host, but; the same after redaction."""
    host = whole(*lv.MODULAR.parts, *parts)
    shared = CapturedHost(redact(host.capture).capture)
    (one,) = diagnose(Facts(host), REGISTRY, select=[check])
    (two,) = diagnose(Facts(shared), REGISTRY, select=[check])
    assert one.status is two.status
    ids = [d.finding.message.id for d in one.diagnoses]
    assert ids == [d.finding.message.id for d in two.diagnoses]
    return one.diagnoses


def booted(word: str) -> tuple[Parts, ...]:
    return bluefin.bluefin(f"{bluefin.GOOD} kvmfr.static_size_mb=128 {word}")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("kvmfr static_size_mb=64", "only the word kvmfr"),
        ("kvmfr  # Looking Glass", "only the word kvmfr"),
        ("kvmfr.static_size_mb=64", "only the word kvmfr"),
        ("kvmfr static_size_mb=32,64", "only the word kvmfr"),
    ],
)
def test_a_line_of_a_list_of_modules_is_one_name(line: str, advice: str) -> None:
    sized = file(OPTIONS, "options kvmfr static_size_mb=128\n")
    (said,) = found("kvmfr-not-loaded-at-boot", sized, file(LIST, f"{line}\n"))
    assert f"{LIST}:1 says `{line}`" in str(said.finding.message)
    assert advice in str(said.finding.advice)
    assert said.fix
    assert said.fix.changes == (EditLine(LIST, line, "kvmfr"),)


def test_the_size_that_stands_there_is_not_lost() -> None:
    host = changed(
        catalogue.host("healthy-arch"),
        {LIST: "kvmfr static_size_mb=64\n", OPTIONS: ""},
    )
    (result,) = diagnose(Facts(host), REGISTRY, select=["kvmfr-not-loaded-at-boot"])
    (said,) = result.diagnoses
    command = "echo 'options kvmfr static_size_mb=64' | sudo tee -a /etc/modprobe.d"
    assert command in str(said.finding.advice)


def test_of_two_names_on_one_line_none_is_cut_away() -> None:
    (said,) = found("kvmfr-not-loaded-at-boot", file(LIST, "kvmfr vfio_pci\n"))
    assert said.finding.message.id == "kvmfr-start-nothing"
    assert said.fix
    assert said.fix.changes == (EditLine(LIST, "", "kvmfr"),)


def test_another_list_that_names_it_is_enough() -> None:
    also = file("/usr/lib/modules-load.d/lg.conf", "kvmfr\n")
    assert not found("kvmfr-not-loaded-at-boot", file(LIST, "kvmfr x=1\n"), also)


@pytest.mark.parametrize(("mib", "size"), [(64, 64), (256, 256), (48, 128), (4, 128)])
def test_the_size_is_what_a_vm_maps(mib: int, size: int) -> None:
    host = whole(*lv.MODULAR.parts, lv.vm(mib))
    assert Facts(host)[KvmfrSize].mib == size


RULE = "/etc/udev/rules.d/70-kvmfr.rules"
BOBS_VM = str(lv.vm(64, "/dev/kvmfr1").files[lv.VM_FILE]).replace("win11", "w2")
MODES = {
    'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="666", TAG+="uaccess"': True,
    'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0777", TAG+="uaccess"': True,
    'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0664", TAG+="uaccess"': False,
    'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660", TAG+="uaccess"': False,
}


@pytest.mark.parametrize("rule", MODES)
def test_a_rule_that_opens_the_device_to_all_from_the_next_boot_on(rule: str) -> None:
    host = catalogue.host("healthy-debian12-looking-glass")
    on = changed(host, {RULE: f"{rule}\n"})
    (result,) = diagnose(Facts(on), REGISTRY, select=["kvmfr-device-owner"])
    ids = [d.finding.message.id for d in result.diagnoses]
    assert ids == (["kvmfr-node-open-to-all-later"] if MODES[rule] else [])
    for said in result.diagnoses:
        assert said.fix
        assert any('MODE="0660"' in str(change) for change in said.fix.changes)


def test_the_seat_serves_qemu_that_runs_as_the_person() -> None:
    host = catalogue.host("healthy-debian12-vm")
    conf = "/etc/libvirt/qemu.conf"
    text = host.capture.files[conf]
    assert isinstance(text, bytes)
    on = changed(host, {conf: f'{text.decode()}user = "alice"\n'})
    (result,) = diagnose(Facts(on), REGISTRY, select=["kvmfr-device-owner"])
    assert not result.diagnoses


def test_the_size_is_changed_where_it_is_given() -> None:
    openrc = {"/etc/conf.d/modules": 'modules="kvmfr"\nmodule_kvmfr_args="x=1"\n'}
    late = "/etc/modprobe.d/zz.conf"
    host = changed(
        catalogue.host("healthy-arch"),
        {**openrc, late: "options kvmfr static_size_mb=100\n"},
    )
    (result,) = diagnose(Facts(host), REGISTRY, select=["kvmfr-no-device"])
    assert f"Change what {late}:1 gives kvmfr" in str(
        result.diagnoses[0].finding.advice
    )


def test_a_device_that_works_keeps_its_size() -> None:
    host = catalogue.host("healthy-debian12-looking-glass")
    had = Facts(host)[KvmfrSize].mib
    odd = changed(host, {OPTIONS: "options kvmfr static_size_mb=100\n"})
    assert Facts(odd)[KvmfrSize].mib == had


def test_a_qemu_conf_that_is_closed_is_libvirt_s_all_the_same() -> None:
    conf = "/etc/libvirt/qemu.conf"
    host = changed(
        catalogue.host("healthy-debian12-vm"),
        {conf: denied(conf)},
        absent=["/usr/bin", "/usr/sbin/libvirtd"],
    )
    (result,) = diagnose(Facts(host), REGISTRY, select=["kvmfr-no-libvirt"])
    assert result.status is Status.UNKNOWN


GUEST = "case-kvmfr-05b-guest-vm-to-vm-healthy"


@pytest.mark.parametrize("kept_out", [False, True])
def test_udev_loads_the_module_for_a_guests_device(kept_out: bool) -> None:
    files = {"/etc/modprobe.d/off.conf": "blacklist kvmfr\n"} if kept_out else {}
    host = changed(catalogue.host(GUEST), files, absent=(LIST,))
    (result,) = diagnose(Facts(host), REGISTRY, select=["kvmfr-not-loaded-at-boot"])
    assert bool(result.diagnoses) is kept_out


def test_a_stray_file_is_removed_if_there_is_no_module_to_load() -> None:
    stray = {"/dev/kvmfr0": Stat(Kind.FILE, 0o644, 0, 0, "root", "root", size=0)}
    for name, summary in (
        ("healthy-debian12-shared-memory", "remove-stray-kvmfr-only"),
        ("bazzite-stray-file", "remove-stray-kvmfr-file.summary"),
    ):
        host = changed(catalogue.host(name), stats=stray)
        results = diagnose(Facts(host), REGISTRY, select=["kvmfr-node-not-a-device"])
        (said,) = results[-1].diagnoses
        assert said.fix
        loads = any(isinstance(change, LoadModule) for change in said.fix.changes)
        assert loads is (name == "bazzite-stray-file")
        assert said.fix.summary.id == summary


TWO = 'KERNEL=="kvmfr0", OWNER="alice", GROUP="kvm", MODE="0660"\n'
BOBS = 'KERNEL=="kvmfr1", OWNER="bob", {rest}\n'


@pytest.mark.parametrize(
    ("rest", "mode", "gid", "maps", "closed"),
    [
        ('GROUP="kvm", MODE="0660"', 0o660, 104, True, False),
        ('MODE="0600"', 0o600, 0, True, True),
        ('MODE="0600"', 0o600, 0, False, False),
    ],
)
def test_anothers_device_has_to_be_open_to_qemu_if_a_vm_maps_it(
    rest: str, mode: int, gid: int, maps: bool, closed: bool
) -> None:
    node = Stat(Kind.CHAR, mode, 1001, gid, "bob", "kvm" if gid else "root", (242, 1))
    mine = node._replace(mode=0o660, uid=1000, user="alice", gid=104, group="kvm")
    accounts = "root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\n"
    host = changed(
        catalogue.host("healthy-debian12-vm"),
        {
            RULE: TWO + BOBS.format(rest=rest),
            "/sys/class/kvmfr/kvmfr1/dev": "242:1\n",
            "/etc/passwd": f"{accounts}libvirt-qemu:x:107:64055::/:\n",
            **({"/etc/libvirt/qemu/w2.xml": BOBS_VM} if maps else {}),
        },
        stats={"/dev/kvmfr0": mine._replace(rdev=(242, 0)), "/dev/kvmfr1": node},
    )
    for one in (host, CapturedHost(redact(host.capture).capture)):
        (result,) = diagnose(Facts(one), REGISTRY, select=["kvmfr-device-owner"])
        ids = [d.finding.message.id for d in result.diagnoses]
        assert ids == (["kvmfr-node-others-closed"] if closed else [])
        for said in result.diagnoses:
            assert said.fix
            assert said.fix.cannot
            assert said.fix.cannot.id == "grant-kvmfr-anothers"


KEPT_OUT = "kernel argument {}= with your system's boot tool, and reboot"


@for_each(
    ("parts", "advice"),
    [
        ((file("/etc/modprobe.d/x.conf", "blacklist kvmfr\n"),), "Remove what /etc/"),
        ((file("/etc/modprobe.d/x.conf", "install kvmfr true\n"),), "Remove what /etc"),
        (booted("module_blacklist=kvmfr"), KEPT_OUT.format("module_blacklist")),
        (booted("modprobe.blacklist=a,kvmfr"), KEPT_OUT.format("modprobe.blacklist")),
    ],
    ids=["blacklist", "install", "module_blacklist", "modprobe.blacklist"],
)
def test_what_keeps_the_module_out_is_taken_out_where_it_stands(
    parts: tuple[Parts, ...], advice: str
) -> None:
    (later,) = found("kvmfr-not-loaded-at-boot", *parts)
    assert advice in str(later.finding.advice)
    (now,) = found("kvmfr-module-not-loaded", *parts, lg.not_loaded())
    assert advice in str(now.finding.advice)


def test_a_mistyped_device_is_not_what_the_client_is_to_open() -> None:
    assert not found("kvmfr-client-elsewhere", lv.vm(128, "/dev/kvmfr"))
    assert found("kvmfr-client-elsewhere", lv.vm(128, "/dev/shm/looking-glass"))


SESSION = (
    Parts(gone=(lv.VM_FILE,)),
    file(
        "/home/alice/.config/libvirt/qemu/win11.xml",
        str(lv.vm(128).files[lv.VM_FILE]),
    ),
)
OWNED = lg.loaded(lg.node("alice", 1000, "alice", 1000, 0o600))
OWN_RULE = 'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="alice", MODE="0600"\n'


@for_each(
    ("parts", "who"),
    [
        ((*SESSION, OWNED), ""),
        ((OWNED,), "QEMU's account qemu cannot open it"),
        ((*SESSION, OWNED, lv.vm(128)), "QEMU's account qemu cannot open it"),
        (
            (*SESSION, lg.loaded(lg.node("root", 0, "root", 0, 0o600))),
            "0600: alice cannot open it",
        ),
    ],
    ids=["session", "system", "both", "closed"],
)
def test_in_a_session_of_ones_own_qemu_is_the_person(
    parts: tuple[Parts, ...], who: str
) -> None:
    told = found("kvmfr-device-owner", lg.rules("70-kvmfr.rules", OWN_RULE), *parts)
    assert [who in str(d.finding.message) for d in told] == [True] * bool(who)
