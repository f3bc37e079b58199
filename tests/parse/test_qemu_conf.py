"""The kind of value that each setting of qemu.conf takes."""

from __future__ import annotations

import ctypes

import pytest

from support import corpus
from vfio_doctor.parse.libvirt_conf import parse
from vfio_doctor.parse.qemu_conf import KINDS, WORDS, mistake

LIBRARY = "libvirt.so.0"
QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: None)

# What libvirt 9.0 and 11.3 refuse, and what they take: asked of their daemons.
REFUSED = [
    *('namespaces = "mount"', "namespaces = 0", 'namespaces = ["uts"]'),
    *('cgroup_device_acl = "/dev/kvmfr0"', "cgroup_device_acl = [1]"),
    *('cgroup_controllers = "devices"', 'cgroup_controllers = ["none"]'),
    *("user = 0", "group = 36", 'user = ["root"]', "user = []"),
    *('dynamic_ownership = "0"', "dynamic_ownership = 2", "remember_owner = -1"),
    *("relaxed_acs_check = []", 'set_process_name = "1"', 'mac_filter = ""'),
    *('security_driver = ""', "security_driver = 0", 'security_driver = "dac"'),
    *('security_driver = ["none", "x"]', "hugetlbfs_mount = 1"),
    *("hugetlbfs_mount = [1]", 'nvram = "x"', 'capability_filters = "x"'),
    *('max_files = "1024"', "max_files = -1", "max_processes = 4294967296"),
    *("max_core = -1", 'max_core = "x"', 'seccomp_sandbox = "1"'),
    *("keepalive_interval = 99999999999", 'stdio_handler = "syslog"'),
    *('sched_core = "x"', "memory_backing_dir = 1", "swtpm_user = 1"),
    *("clear_emulator_capabilities = 1\nuser = 1", 'user = 1\nuser = "root"'),
]
TAKEN = [
    *('namespaces = [ "mount" ]', "namespaces = []", "cgroup_controllers = []"),
    *('cgroup_controllers = ["devices", "name=systemd"]', "cgroup_device_acl = []"),
    *('user = "0"', 'user = "root"\nuser = 1', "dynamic_ownership = 00"),
    *("dynamic_ownership = +1", "security_driver = []", 'security_driver = "none"'),
    *('security_driver = ["selinux"]', 'hugetlbfs_mount = ["/x"]'),
    *('hugetlbfs_mount = "/x"', 'max_core = "unlimited"', "max_core = 5"),
    *("max_files = +5", "seccomp_sandbox = -1", "seccomp_sandbox = 7"),
    *('clear_emulator_capabilities = "no"', "an_unknown_name = [1]"),
    *('capability_filters = ["x"]', 'stdio_handler = "file"', "migration_host = ''"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_libvirt_refuses(text: str) -> None:
    found = mistake(parse(f"# first\n{text}\n"))
    assert found is not None
    assert found.setting.line == 2 + text.startswith("clear")


@pytest.mark.parametrize("text", TAKEN)
def test_what_libvirt_takes(text: str) -> None:
    assert mistake(parse(text)) is None


def test_every_file_of_the_corpus_is_taken() -> None:
    for record in corpus.records("qemu-conf/INDEX.jsonl"):
        conf = parse(corpus.text(f"qemu-conf/{record['id']}"))
        assert mistake(conf) is None, record["id"]


# How libvirt's daemon asks for each kind (qemu_conf.c).
GETTERS = {
    "text": ("String", ctypes.c_char_p),
    "flag": ("Bool", ctypes.c_bool),
    "count": ("UInt", ctypes.c_uint),
    "number": ("Int", ctypes.c_int),
    "texts": ("StringList", ctypes.c_void_p),
    "text-or-texts": ("StringList", ctypes.c_void_p),
}
VALUES = (
    *('"x"', "''", "0", "1", "5", "-1", "+1", "00", "4294967295", "4294967296"),
    *("2147483648", "-2147483649", "[]", '["x"]', "[1]", '["x", 1]', '"""x"""'),
)


@pytest.mark.needs_tool(LIBRARY)
@pytest.mark.parametrize("kind", sorted(GETTERS))
def test_libvirt_takes_the_same(kind: str) -> None:
    lib = ctypes.CDLL(LIBRARY)
    assert lib.virInitialize() == 0
    lib.virSetErrorFunc(None, QUIET)
    lib.virConfReadString.restype = ctypes.c_void_p
    lib.virConfFree.argtypes = [ctypes.c_void_p]
    name, held = GETTERS[kind]
    getter = getattr(lib, f"virConfGetValue{name}")
    compatible = (ctypes.c_bool(kind == "text-or-texts"),) * (name == "StringList")
    key = next(key for key, its in KINDS.items() if its == kind and key not in WORDS)
    for value in VALUES:
        text = f"{key} = {value}"
        conf = ctypes.c_void_p(lib.virConfReadString(text.encode(), 0))
        found = ctypes.byref(held())
        status = getter(conf, key.encode(), *compatible, found)
        lib.virConfFree(conf)
        assert (status < 0) == bool(mistake(parse(text))), text
