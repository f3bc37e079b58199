"""KVM: the node, what it answers, and how it treats unknown MSRs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Why, read_text

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader, Stat

NODE = "/dev/kvm"
# include/linux/miscdevice.h: MISC_MAJOR, KVM_MINOR; uapi/linux/kvm.h.
NUMBER = (10, 232)
API_VERSION = 12
PARAMETERS = "/sys/module/kvm/parameters"
VENDOR_MODULES = ("kvm_intel", "kvm_amd")


class KvmDevice(NamedTuple):
    """``/dev/kvm``: what stands there and what the probe got from it.

    ``modules`` are the KVM modules that are loaded or built in, looked for only
    where the node is not right. ``probe`` is `Missing` where it was not tried.
    """

    stat: Stat | Missing
    probe: ProbeResult | Missing
    modules: tuple[str, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmDevice:
        """Look at the node; probe it only where it is KVM's."""
        stat = host.lstat(NODE)
        if is_kvm_node(stat):
            return cls(stat, host.probe("kvm", NODE))
        loaded = tuple(
            name
            for name in ("kvm", *VENDOR_MODULES)
            if not isinstance(host.lstat(f"/sys/module/{name}"), Missing)
        )
        untried = Missing(f"probe kvm of {NODE}", Why.ABSENT, "no such device")
        return cls(stat, untried, loaded)

    @property
    def works(self) -> bool:
        """Tell whether the probe got the API version and made a virtual machine."""
        probe = self.probe
        return (
            isinstance(probe, ProbeResult)
            and not probe.error
            and probe.value("api_version") == API_VERSION
            and bool(probe.value("create_vm"))
        )


def is_kvm_node(stat: Stat | Missing) -> bool:
    """Tell whether a path's status is that of KVM's character device."""
    return (
        not isinstance(stat, Missing) and stat.kind is Kind.CHAR and stat.rdev == NUMBER
    )


class KvmParameters(NamedTuple):
    """How KVM treats unknown MSRs now: ``Y`` or ``N`` each.

    Both files are absent where no KVM module is loaded.
    """

    ignore_msrs: str | Missing
    report_ignored_msrs: str | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmParameters:
        """Read the parameters of the ``kvm`` module (world-readable)."""
        return cls(_flag(host, "ignore_msrs"), _flag(host, "report_ignored_msrs"))


def _flag(host: Reader, name: str) -> str | Missing:
    path = f"{PARAMETERS}/{name}"
    text = read_text(host, path)
    if isinstance(text, Missing) or text.strip() in ("Y", "N"):
        return text if isinstance(text, Missing) else text.strip()
    return Missing(path, Why.FAILED, "neither Y nor N")
