from __future__ import annotations

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse.domain import Domain, domain_of
from vfio_doctor.parse.domain_memory import Mapping, SharedMemory, mapping
from vfio_doctor.parse.xml_tree import read

HEAD = "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name>"


def parsed(text: str) -> Domain | None:
    return domain_of(read(text.encode()))


def test_every_argument_of_real_vms() -> None:
    for record in corpus.records("kvmfr-args.jsonl"):
        want = record["expected"]
        found = mapping(unescape(record["arg"]))
        if "mem_path" not in want or want.get("size_bytes") is None:
            continue
        assert found is not None, record["id"]
        assert (found.path, found.size) == (want["mem_path"], want["size_bytes"])


@for_each(
    ("argument", "found"),
    [
        (
            "memory-backend-file,id=a,share=on,mem-path=/dev/kvmfr1,size=64M",
            Mapping("/dev/kvmfr1", 64 << 20, True),
        ),
        (
            "memory-backend-file,mem-path=/dev/kvmfr0,size=64",
            Mapping("/dev/kvmfr0", 64, None),
        ),
        (
            "{'qom-type':'memory-backend-file','mem-path':'/dev/kvmfr0','size':'64M'}",
            Mapping("/dev/kvmfr0", 0, None),
        ),
        (
            '{"qom-type":"memory-backend-file","mem-path":"/x","size":1,"share":false}',
            Mapping("/x", 1, False),
        ),
        ("{'qom-type':'memory-backend-ram'}", None),
        ("memory-backend-ram,size=1G", None),
        ("{", None),
        ("", None),
    ],
)
def test_arguments(argument: str, found: Mapping | None) -> None:
    assert mapping(argument) == found


def test_what_a_definition_shares() -> None:
    domain = parsed(
        f"{HEAD}<devices><emulator>/usr/bin/q</emulator><shmem name='looking-glass'/>"
        "<filesystem><driver type='virtiofs'/></filesystem></devices>"
        "<seclabel type='none' model='apparmor'/><qemu:commandline>"
        "<qemu:arg value='-object'/>"
        "<qemu:arg value='memory-backend-file,mem-path=/dev/kvmfr0,size=1M'/>"
        "</qemu:commandline></domain>"
    )
    assert domain is not None
    assert domain.emulator == "/usr/bin/q"
    shared = domain.shared
    assert shared == SharedMemory(
        (Mapping("/dev/kvmfr0", 1 << 20, None, shown=False),),
        ("looking-glass",),
        True,
        ("apparmor",),
    )
    assert shared.is_unconfined("apparmor")
    assert not shared.is_unconfined("selinux")


@given(st.text(max_size=80))
def test_never_raises(text: str) -> None:
    mapping(text)
    mapping(f"{{{text}")
