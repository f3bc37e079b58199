"""What the fixes of libvirt ask for, and where they refuse."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.hosts import build, link
from support.machines import whole
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.libvirt.daemons import SOCKETS
from vfio_doctor.model import (
    Applicability,
    CommandStep,
    EditLine,
    EnableUnit,
    FileContext,
    Finding,
    FixOffer,
    PolicyModule,
    RestartService,
    WriteFile,
)
from vfio_doctor.repair.translate import translate

REGISTRY = load()
LIST = "kvmfr-not-in-device-list"
DEFAULT = lv.conf("")


def offered(
    check: str, base: tuple[Parts, ...], *parts: Parts
) -> tuple[Finding, FixOffer]:
    facts = Facts(whole(*base, *parts))
    (found,) = diagnose(facts, REGISTRY, (check,))
    ((finding, _, fix),) = found.diagnoses
    assert fix is not None
    return finding, fix


def restarted(*parts: Parts) -> list[str]:
    _, fix = offered(LIST, lv.MODULAR.parts, DEFAULT, *parts)
    return [c.unit for c in fix.changes if isinstance(c, RestartService)]


def test_the_daemon_that_reads_the_file_is_restarted() -> None:
    both = lv.programs("libvirtd")
    assert restarted() == ["virtqemud.service"]
    assert restarted(both) == ["virtqemud.service", "libvirtd.service"]


def test_without_systemd_the_person_restarts_it() -> None:
    units = gone("/usr/lib/systemd/system", lv.OWN_UNITS)
    _, fix = offered(LIST, lv.MODULAR.parts, DEFAULT, units)
    assert fix.summary.id == "list-libvirt-devices-no-unit"
    assert [type(change) for change in fix.changes] == [WriteFile]


def test_what_is_in_the_list_stays() -> None:
    text = 'cgroup_device_acl = [ "/dev/input/event3", "/dev/kvm" ] # mine\n'
    _, fix = offered(LIST, lv.MODULAR.parts, file(lv.CONF, text))
    (written,) = (c for c in fix.changes if isinstance(c, WriteFile))
    assert written.path == lv.CONF
    assert written.text.startswith('cgroup_device_acl = [ "/dev/input/event3", "/dev/')
    assert written.text.endswith('"/dev/userfaultfd", "/dev/kvmfr0" ] # mine\n')


@pytest.mark.parametrize("check", [LIST, "kvmfr-apparmor-denies"])
def test_nothing_is_edited_on_nixos(check: str) -> None:
    base = lv.MODULAR.parts if check == LIST else lv.MONOLITHIC.parts
    nixos = file("/etc/os-release", "ID=nixos\nNAME=NixOS\n")
    text = file(lv.CONF, 'user = "root"\n' + (lv.OWN_LIST if check != LIST else ""))
    rule = gone("/etc/apparmor.d/abstractions/libvirt-qemu.d")
    finding, fix = offered(check, base, nixos, text, rule)
    assert fix.cannot is not None
    assert fix.cannot.id == "nixos-generated"
    if check == LIST:
        assert "virtualisation.libvirtd.qemu.verbatimConfig" in str(finding.advice)


def test_bytes_that_are_no_text_are_not_written_back() -> None:
    text = lv.SHIPPED.format(user="qemu").encode() + b"# \xff\n"
    _, fix = offered(LIST, lv.MODULAR.parts, file(lv.CONF, text))
    assert fix.cannot is not None
    assert fix.cannot.id == "list-libvirt-devices-not-edited"


def test_apparmors_rule_goes_where_this_libvirt_reads_it() -> None:
    check = "kvmfr-apparmor-denies"
    none = gone("/etc/apparmor.d/abstractions/libvirt-qemu.d")
    old = "#include <local/abstractions/libvirt-qemu>\n"
    abstraction = "/etc/apparmor.d/abstractions/libvirt-qemu"
    _, new = offered(check, lv.MONOLITHIC.parts, none)
    line = "/dev/kvmfr0 rw,"
    assert new.changes == (EditLine(f"{abstraction}.d/kvmfr", "", line),)
    path = "/etc/apparmor.d/local/abstractions/libvirt-qemu"
    there = (file(abstraction, old), file(path, "# mine\n"))
    _, local = offered(check, lv.MONOLITHIC.parts, none, *there)
    assert local.changes == (EditLine(path, "", line),)
    _, nowhere = offered(check, lv.MONOLITHIC.parts, none, file(abstraction, "\n"))
    assert nowhere.cannot is not None
    template = "profile x {\n  deny /dev/kvmfr* rw,\n}\n"
    deny = file("/etc/apparmor.d/libvirt/TEMPLATE.qemu", template)
    _, denied = offered(check, lv.MONOLITHIC.parts, deny)
    assert denied.cannot is not None
    assert denied.cannot.id == "open-kvmfr-denied"


def test_a_rule_without_its_comma_gets_it() -> None:
    hook = "/etc/apparmor.d/abstractions/libvirt-qemu.d/kvmfr"
    for raw, mended in (
        ("  /dev/kvmfr0 rw", "  /dev/kvmfr0 rw,"),
        ("/dev/kvmfr0 rw # mine", "/dev/kvmfr0 rw, # mine"),
    ):
        own = file(hook, f"{raw}\n")
        found, fix = offered("libvirt-profile-refused", lv.MONOLITHIC.parts, own)
        assert found.message.id == "libvirt-profile-unfinished"
        assert fix.changes == (EditLine(hook, raw, mended),)


def test_the_file_context_has_to_be_asked_for() -> None:
    _, fix = offered("kvmfr-selinux-label", lv.MODULAR.parts, lv.selinux("device_t"))
    assert fix.applicability is Applicability.RISKY
    assert fix.may_be_lost is not None
    assert fix.changes == (
        FileContext("/dev/kvmfr[0-9]+", "svirt_image_t", "/dev/kvmfr0"),
    )


def test_debians_policy_gets_a_module_that_lets_vms_map_the_device() -> None:
    label = "kvmfr-selinux-label"
    path = "/etc/selinux/vfio-doctor/vfio-doctor-kvmfr.cil"
    rule = "(allow svirt_t svirt_image_t (chr_file (map)))\n"
    module = (WriteFile(path, rule), PolicyModule(path))
    _, unmapped = offered(label, lv.CONFINED.parts)
    assert unmapped.changes == module
    parts = (*lv.CONFINED.parts, lv.selinux("device_t"), lv.DEFAULT_POLICY)
    _, both = offered(label, parts)
    context = FileContext("/dev/kvmfr[0-9]+", "svirt_image_t", "/dev/kvmfr0")
    assert both.changes == (context, *module)


OFF = gone(f"{lv.OWN_UNITS}/sockets.target.wants")


def test_the_only_daemon_is_enabled() -> None:
    _, fix = offered("libvirt-daemon-off", lv.MODULAR.parts, OFF)
    assert fix.changes == (EnableUnit("virtqemud.socket"),)
    no_socket = gone("/usr/lib/systemd/system/virtqemud.socket")
    _, fix = offered("libvirt-daemon-off", lv.MODULAR.parts, OFF, no_socket)
    assert fix.changes == (EnableUnit("virtqemud.service"),)


def test_a_daemon_that_runs_is_not_started_so_undo_does_not_stop_it() -> None:
    runs = file(SOCKETS["virtqemud"], "")
    _, fix = offered("libvirt-daemon-off", lv.MODULAR.parts, OFF, runs)
    assert fix.changes == (EnableUnit("virtqemud.socket", start=False),)
    made = translate(fix.changes[0], build({}))
    assert [s.argv[1] for s in made.after if isinstance(s, CommandStep)] == ["enable"]


@for_each(
    ("part", "why"),
    [
        (lv.programs("libvirtd"), "enable-libvirt-daemon-choice"),
        (
            Parts(stats={f"{lv.OWN_UNITS}/virtqemud.socket": link("/dev/null")}),
            "enable-libvirt-daemon-masked",
        ),
        (
            file("/etc/os-release", "ID=nixos\nNAME=NixOS\n"),
            "nixos-generated",
        ),
    ],
)
def test_which_daemon_is_a_choice(part: Parts, why: str) -> None:
    _, fix = offered("libvirt-daemon-off", lv.MODULAR.parts, OFF, part)
    assert fix.cannot is not None
    assert fix.cannot.id == why


def test_the_line_of_tmpfiles_is_written() -> None:
    check = "libvirt-shared-memory-closed"
    path = "/etc/tmpfiles.d/10-looking-glass.conf"
    wanted = "f /dev/shm/looking-glass 0660 alice kvm -"
    _, fix = offered(check, lv.OWN_MEMORY.parts, gone(path))
    assert fix.reboot
    assert fix.changes == (EditLine(path, "", wanted),)
