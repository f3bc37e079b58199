"""Siblings of the cases: lists out of force, and memory that does not fit its VM."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import bluefin
from support.fixture_hosts.recipes import libvirt as lv
from support.hosts import link
from support.machines import whole
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis, Message, Severity, WriteFile

REGISTRY = load()
COMMENTED = "".join(f"#{line}\n" for line in lv.OWN_LIST.splitlines())
SHORT = '#cgroup_device_acl = [ "/dev/null", "/dev/kvmfr0" ]\n'


def found(check: str, *parts: Parts) -> tuple[Diagnosis, ...]:
    """Return what a check says of a host, which must be the same after redaction."""
    host = whole(*parts)
    shared = CapturedHost(redact(host.capture).capture)
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    (again,) = diagnose(Facts(shared), REGISTRY, select=[check])
    ids = [d.finding.message.id for d in again.diagnoses]
    assert [d.finding.message.id for d in told.diagnoses] == ids
    return told.diagnoses


@for_each(
    "text",
    [
        lv.SHIPPED.format(user="qemu") + COMMENTED,
        COMMENTED + lv.SHIPPED.format(user="qemu"),
        'user = "qemu"\n' + COMMENTED,
        lv.SHIPPED.format(user="qemu") + SHORT,
        'user = "qemu"\n' + SHORT,
    ],
    ids=["behind", "before", "alone", "short", "short alone"],
)
def test_a_list_that_was_commented_out_is_not_libvirt_s_own(text: str) -> None:
    conf = file(lv.CONF, text)
    (said,) = found("kvmfr-not-in-device-list", *lv.MODULAR.parts, conf)
    assert said.fix
    written = said.fix.changes[0]
    assert isinstance(written, WriteFile)
    in_force = written.text.replace("#cgroup", "")
    assert in_force.count("cgroup_device_acl = [") == 1
    own = in_force[in_force.index("cgroup_device_acl = [") :]
    assert all(f'"{d}"' in own for d in ("/dev/ptmx", "/dev/kvm", "/dev/kvmfr0"))


PLAIN = "<model type='ivshmem-plain'/>"
SIZE = "<size unit='M'>64</size>"
BY_HAND = str(lv.vm(64, "/dev/shm/looking-glass").files[lv.VM_FILE])


def of_size(mib: int) -> Parts:
    stat = Stat(Kind.FILE, 0o660, 1000, 104, "alice", "kvm", size=mib << 20)
    return Parts(stats={"/dev/shm/looking-glass": stat})


@for_each(
    ("text", "held", "said"),
    [
        (lv.SHMEM, 0, ""),
        (lv.SHMEM, 64, ""),
        (lv.SHMEM, 128, ""),
        (lv.SHMEM, 32, "vm-shm-file-smaller"),
        (lv.SHMEM.replace(SIZE, ""), 2, ""),
        (BY_HAND, 64, ""),
        (BY_HAND, 16, "vm-shm-file-smaller"),
        (lv.SHMEM.replace("64", "48"), 0, "vm-shm-odd-size"),
        (lv.SHMEM.replace("'M'", "'K'"), 0, "vm-shm-odd-size"),
        (BY_HAND.replace("67108864", "64000000"), 0, "vm-shm-odd-size"),
        (BY_HAND.replace(",'share':true", ""), 64, "vm-share-private"),
        (BY_HAND.replace("'share':true", "'share':'on'"), 64, "vm-share-no-boolean"),
        (BY_HAND.replace("ivshmem-plain", "ivshmem"), 64, "vm-memdev-old-device"),
        (lv.SHMEM.replace(PLAIN, ""), 64, "vm-shmem-no-model"),
        (lv.SHMEM.replace(PLAIN, "<model type='ivshmem'/>"), 64, "vm-shmem-old-model"),
        (lv.SHMEM.replace("-plain", "-doorbell"), 64, "vm-shmem-no-server"),
        (
            lv.SHMEM.replace("-plain'/>", "-doorbell'/><server path='/run/lg'/>"),
            64,
            "",
        ),
    ],
)
def test_memory_that_no_kvmfr_holds_is_judged_too(
    text: str, held: int, said: str
) -> None:
    vm = file("/etc/libvirt/qemu/win10.xml", text)
    told = found("vm-definition-faulty", *lv.OWN_MEMORY.parts, vm, of_size(held))
    messages = [dict(d.finding.message.params)["message"] for d in told]
    assert [m.id for m in messages if isinstance(m, Message)] == [said] * bool(said)


def test_what_a_check_says_of_kvmfr_is_said_once() -> None:
    text = str(lv.vm(128).files[lv.VM_FILE]).replace("134217728", "100000000")
    vm = file(lv.VM_FILE, text)
    assert not found("vm-definition-faulty", *lv.MODULAR.parts, vm)
    assert found("kvmfr-vm-mapping", *lv.MODULAR.parts, vm)


LOOSE = file("/sys/fs/selinux/enforce", "0")
LATER = "kvmfr-selinux-later"


def booted(word: str) -> tuple[Parts, ...]:
    return bluefin.bluefin(f"{bluefin.GOOD} kvmfr.static_size_mb=128 {word}".strip())


@for_each(
    ("type_", "config", "word", "said"),
    [
        ("device_t", "SELINUX=enforcing\n", "", [LATER]),
        ("device_t", "SELINUX=permissive\n", "", []),
        ("device_t", "#SELINUX=enforcing\nSELINUX=disabled\n", "", []),
        ("device_t", "SELINUX=enforcing\n", "enforcing=0", []),
        ("device_t", "SELINUX=enforcing\n", "selinux=0", []),
        ("svirt_image_t", "SELINUX=enforcing\n", "", []),
        ("svirt_image_t", "SELINUX=enforcing\nSELINUXTYPE=default\n", "", [LATER]),
    ],
)
def test_what_setenforce_hides_until_the_next_boot(
    type_: str, config: str, word: str, said: list[str]
) -> None:
    labels = (lv.selinux(type_), LOOSE, file("/etc/selinux/config", config))
    told = found("kvmfr-selinux-label", *lv.MODULAR.parts, *booted(word), *labels)
    assert [d.finding.message.id for d in told] == said
    assert all(d.severity is Severity.WARNING for d in told)


@for_each(
    ("target", "node", "said"),
    [
        ("/dev/kvmfr0", lg.node("alice", 1000, "kvm", 104), []),
        ("/dev/kvmfr0", lg.node("root", 0, "root", 0, 0o600), ["closed"]),
        ("../kvmfr0", lg.node("alice", 1000, "kvm", 104), []),
        ("/dev/gone", lg.node("alice", 1000, "kvm", 104), []),
    ],
)
def test_a_link_to_a_device_is_judged_by_the_device(
    target: str, node: Stat, said: list[str]
) -> None:
    link_ = Parts(stats={"/dev/shm/looking-glass": link(target), "/dev/kvmfr0": node})
    told = found("libvirt-shared-memory-closed", *lv.OWN_MEMORY.parts, link_)
    ids = [d.finding.message.id.removeprefix("libvirt-shared-memory-") for d in told]
    assert ids == said
