from support import hosts
from support.fixture_hosts import looking_glass as lg
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvmfr.node import KvmfrSizes
from vfio_doctor.host.reader import Missing


def test_sizes_are_asked_of_devices_only() -> None:
    parts = lg.loaded(lg.node("root", 0, "qemu", 107, acl=True), 64)
    silent = hosts.build(parts.files, parts.stats, parts.folders)
    asked = hosts.changed(silent, probes=parts.probes)
    assert Facts(asked)[KvmfrSizes].sizes == (("/dev/kvmfr0", 64 << 20),)
    ((_, size),) = Facts(silent)[KvmfrSizes].sizes
    assert isinstance(size, Missing)
