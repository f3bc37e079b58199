from __future__ import annotations

from typing import Any

from support import hosts
from support.fixture_hosts.hardware import KVM_WORKS, kvm
from support.fixture_hosts.parts import Parts, group_file, passwd_file
from support.machines import whole
from support.rows import for_each
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvm import NO_FLAG, KvmAccess, KvmDevice, KvmParameters
from vfio_doctor.host.reader import AclEntry, Kind, Missing, ProbeResult, Stat, Why

NODE = "/dev/kvm"
PARAMETERS = "/sys/module/kvm/parameters"
PEOPLE = Parts(
    {
        "/etc/passwd": passwd_file(
            alice=(1000, 1000, "/home/alice"), qemu=(107, 107, "/")
        ),
        "/etc/group": group_file(kvm=(36, "qemu"), qemu=(107, "")),
    }
)


def with_node(stat: Stat | Missing, *more: Parts) -> Facts:
    return Facts(whole(kvm(), *more, Parts({}, {NODE: stat})))


def node(mode: int, *acl: AclEntry) -> Stat:
    return hosts.char_node(mode, "root", 0, "kvm", 36, (10, 232))._replace(acl=acl)


def test_a_working_device() -> None:
    found = Facts(whole(kvm()))[KvmDevice]
    assert found.works
    assert found.is_node
    assert found.refusal is None
    assert found.modules == ()


@for_each(
    "stat",
    [
        Missing(NODE, Why.ABSENT),
        Missing(NODE, Why.DENIED),
        Stat(Kind.FILE, 0o666, 0, 0),
        Stat(Kind.FIFO, 0o666, 0, 0),
        hosts.char_node(0o666, "root", 0, "root", 0, (10, 231)),
    ],
    ids=["absent", "denied", "file", "fifo", "another device"],
)
def test_only_the_real_node_is_probed(stat: Any) -> None:
    found = with_node(stat)[KvmDevice]
    assert (found.works, found.is_node) == (False, False)
    assert isinstance(found.probe, Missing)
    assert found.modules == ("kvm", "kvm_amd")


@for_each(
    ("probe", "works", "refused"),
    [
        (KVM_WORKS, True, False),
        (KVM_WORKS._replace(values=(("api_version", 11), ("create_vm", 1))), False, 0),
        (KVM_WORKS._replace(values=(("api_version", 12),)), False, False),
        (KVM_WORKS._replace(error="EBUSY"), False, False),
        (ProbeResult("kvm", ("tried to open",), (), "EACCES"), False, True),
        (ProbeResult("kvm", ("tried to open",), (), "ENODEV"), False, False),
        (
            ProbeResult("kvm", ("opened",), (("api_version", 12),), "EPERM"),
            False,
            False,
        ),
        (hosts.denied(NODE), False, True),
        (Missing(NODE, Why.NOT_CAPTURED), False, True),
        (Missing(NODE, Why.ABSENT, "No such device"), False, False),
    ],
    ids=[
        "works",
        "version",
        "no VM",
        "busy",
        "closed",
        "no module",
        "VM forbidden",
        "denied",
        "not captured",
        "no module behind it",
    ],
)
def test_what_a_probe_means(probe: Any, works: bool, refused: bool) -> None:
    host = whole(kvm(), Parts(probes={("kvm", NODE): probe}))
    found = Facts(host)[KvmDevice]
    assert (found.works, bool(found.refusal)) == (works, bool(refused))


@for_each(
    ("content", "value"),
    [
        ("Y\n", "Y"),
        ("N\n", "N"),
        ("", Missing(f"{PARAMETERS}/ignore_msrs", Why.FAILED, NO_FLAG)),
        (hosts.denied("p"), hosts.denied("p")),
    ],
    ids=["Y", "N", "empty", "denied"],
)
def test_parameters(content: Any, value: Any) -> None:
    path = f"{PARAMETERS}/ignore_msrs"
    facts = Facts(whole(kvm(), Parts({path: content})))
    assert facts[KvmParameters] == KvmParameters(value, "N")


def test_without_the_module_the_parameters_are_absent() -> None:
    found = Facts(whole())[KvmParameters]
    assert isinstance(found.ignore_msrs, Missing)
    assert found.ignore_msrs.why is Why.ABSENT


def test_a_node_open_to_all_needs_no_accounts() -> None:
    found = with_node(node(0o666))[KvmAccess]
    assert (found.human_may, found.qemu_may, found.human) == (True, True, "")


def test_an_acl_counts_even_where_the_mode_looks_open() -> None:
    shut = (
        AclEntry("user_obj", -1, 6),
        AclEntry("group_obj", -1, 6),
        AclEntry("mask", -1, 0),
        AclEntry("other", -1, 0),
    )
    found = with_node(node(0o666, *shut), PEOPLE)[KvmAccess]
    assert found.human_may is False
    assert found.looks == "root:kvm 0666+"


def test_accounts_by_group() -> None:
    found = with_node(node(0o660), PEOPLE)[KvmAccess]
    assert (found.human, found.human_may) == ("alice", False)
    assert (found.qemu, found.qemu_may, found.assumed) == ("qemu", True, True)


def test_unknown_accounts() -> None:
    found = with_node(node(0o660))[KvmAccess]
    assert (found.human_may, found.qemu_may) == (None, None)
