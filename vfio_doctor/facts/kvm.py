"""KVM: the node, what it answers, and how it treats unknown MSRs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.facts.node import looks, may_open
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.accounts import Group
    from vfio_doctor.facts.base import C, Facts
    from vfio_doctor.host.reader import Reader, Stat
    from vfio_doctor.model import Message

NODE = "/dev/kvm"
# include/linux/miscdevice.h: MISC_MAJOR, KVM_MINOR; uapi/linux/kvm.h.
NUMBER = (10, 232)
API_VERSION = 12
OPEN_TO_ALL = 0o666
PARAMETERS = "/sys/module/kvm/parameters"
BOOLEANS = ("ignore_msrs", "report_ignored_msrs")
VENDOR_MODULES = ("kvm_intel", "kvm_amd")
NO_DEVICE = say("kvm-no-such-device", "no such device")
NO_FLAG = say("kvm-parameter-no-flag", "neither Y nor N")
REFUSED = say("kvm-refused", "{node}: {error}")


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
        untried = Missing(f"probe kvm of {NODE}", Why.ABSENT, NO_DEVICE)
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

    @property
    def modules_in_use(self) -> bool:
        """Tell whether the processor's KVM module is there: it let itself be used.

        A node with a module behind it answers to open(2), or refuses this account.
        """
        answered = not isinstance(self.probe, Missing) or self.refusal is not None
        return self.is_node and answered or bool(set(self.modules) & {*VENDOR_MODULES})

    @property
    def is_node(self) -> bool:
        """Tell whether KVM's character device stands there."""
        return is_kvm_node(self.stat)

    @property
    def refusal(self) -> Message | None:
        """Return why the node could not be tried; None where it was.

        Says nothing about KVM: another account may well be let in. A node that is
        there and yet absent to open(2) has no module behind it: that was tried.
        """
        if isinstance(self.probe, Missing):
            tried = self.is_node and self.probe.why is Why.ABSENT
            return None if tried else self.probe.message
        opened = self.probe.value("api_version") is not None
        barred = not opened and self.probe.error in ("EACCES", "EPERM")
        return REFUSED.filled(node=NODE, error=self.probe.error) if barred else None


def is_kvm_node(stat: Stat | Missing) -> bool:
    """Tell whether a path's status is that of KVM's character device."""
    return (
        not isinstance(stat, Missing) and stat.kind is Kind.CHAR and stat.rdev == NUMBER
    )


class KvmAccess(NamedTuple):
    """Who may open ``/dev/kvm`` by its owner, group, mode and ACL.

    ``human`` and ``qemu`` name the accounts; "" where not known, or where no
    account had to be looked up since everybody may. ``human_may`` and
    ``qemu_may`` are None where the account is not known. ``assumed`` is true
    where QEMU's account is only the usual one. SELinux is not judged. ``group`` is
    the group that the node lets in; None if it lets in none that can be joined.
    """

    looks: str
    human: str
    human_may: bool | None
    qemu: str
    qemu_may: bool | None
    assumed: bool
    group: Group | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmAccess:
        """Judge the node for the person and for libvirt's QEMU account."""
        stat = known(facts[KvmDevice].stat)
        if not stat.acl and stat.mode & OPEN_TO_ALL == OPEN_TO_ALL:
            return cls(looks(stat), "", True, "", True, False)
        human, qemu = _account(facts, HumanUser), _account(facts, QemuUser)
        return cls(
            looks(stat),
            human.name if human else "",
            may_open(stat, human.uid, human.gids) if human else None,
            qemu.name if qemu else "",
            may_open(stat, qemu.uid, qemu.gids) if qemu else None,
            qemu is not None and qemu.assumed,
            _joined(stat, facts),
        )


def _joined(stat: Stat, facts: Facts) -> Group | None:
    """Return the group that opens the node to its members; root's is nobody's."""
    accounts = _account(facts, Accounts)
    group = accounts and accounts.group_by_gid(stat.gid)
    if not group or group.gid == 0:
        return None
    return group if may_open(stat, -1, (group.gid,)) else None


def _account(facts: Facts, kind: type[C]) -> C | None:
    try:
        return facts[kind]
    except MissingFact:
        return None


def kernel_boolean(text: str | None) -> bool | None:
    """Return what the kernel makes of a boolean's text (kstrtobool); bare is true.

    None for a text that it refuses.
    """
    if text is None:
        return True
    first, two = text[:1].lower(), text[:2].lower()
    if first in ("y", "t", "1", "e") or two == "on":
        return True
    return False if first in ("n", "f", "0", "d") or two == "of" else None


class KvmRefused(NamedTuple):
    """Values of kvm's parameters that the kernel refuses: they keep it from loading.

    Each is (``kvm.parameter=value``, where it is given), for the running kernel.
    """

    given: tuple[tuple[str, str | Message], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmRefused:
        """Go through every value, since the kernel stops at the first bad one.

        A file that may not be read says nothing here.
        """
        config, line = facts[ModuleConfig], facts[KernelCmdline].line
        return cls(
            tuple(
                (f"kvm.{name}={option.value}", option.source)
                for name in BOOLEANS
                for option in config.values("kvm", name, line)
                if kernel_boolean(option.value) is None
            )
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
    return Missing(path, Why.FAILED, NO_FLAG)
