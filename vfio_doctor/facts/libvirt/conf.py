"""qemu.conf, and the list of devices that it lets virtual machines have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, NotApplicable, known
from vfio_doctor.facts.nixos import Generated
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.libvirt_conf import LibvirtConf, parse, with_items
from vfio_doctor.parse.qemu_conf import ConfMistake, mistake
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# NixOS writes the second one.
QEMU_CONF = ("/etc/libvirt/qemu.conf", "/var/lib/libvirt/qemu.conf")
DEVICE_LIST = "cgroup_device_acl"
KVM = "/dev/kvm"
# libvirt 9 to 11; from 12 on it opens /dev/kvm by itself where a VM asks for it.
BUILT_IN = (
    *("/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom"),
    *("/dev/ptmx", KVM, "/dev/userfaultfd"),
)
# What other releases have had in it: anything else is somebody's own.
EVER_BUILT_IN = (
    *BUILT_IN,
    *("/dev/kqemu", "/dev/rtc", "/dev/hpet", "/dev/sev"),
    *("/dev/net/tun", "/dev/vfio/vfio"),
)
NO_FILE = say("libvirt-conf-absent", "there is no {path}")
REFUSED = say(
    "libvirt-conf-not-readable-by-libvirt",
    "{path}:{line}: libvirt does not take this file",
)
NOT_WHOLE = say(
    "libvirt-conf-not-whole",
    "{path} holds no settings, and not the sample of the list that libvirt ships",
)


class QemuConf(NamedTuple):
    """The file that libvirt's QEMU driver reads; ``text`` is Missing if it has none."""

    path: str
    text: str | Missing
    conf: LibvirtConf

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> QemuConf:
        """Take the first of the two that is there, or that cannot be read."""
        unread: Missing | None = None
        for path in QEMU_CONF:
            text = read_text(host, path)
            if isinstance(text, str):
                return cls(path, text, parse(text))
            if text.why is not Why.ABSENT:
                unread = unread or text
        missing = unread or Missing(QEMU_CONF[0], Why.ABSENT)
        return cls(missing.source, missing, parse(""))

    def demand(self) -> None:
        """Raise `NotApplicable` if there is no such file: libvirt needs none."""
        if isinstance(self.text, Missing) and self.text.why is Why.ABSENT:
            raise NotApplicable(NO_FILE.filled(path=self.path))
        known(self.text)

    def in_force(self) -> LibvirtConf:
        """Return the settings; raise `MissingFact` if they are not known."""
        known(self.text)
        if self.conf.wrong_line:
            raise MissingFact(
                REFUSED.filled(path=self.path, line=self.conf.wrong_line), Why.FAILED
            )
        if self.mistake:
            line = self.mistake.setting.line
            raise MissingFact(REFUSED.filled(path=self.path, line=line), Why.FAILED)
        return self.conf

    @property
    def mistake(self) -> ConfMistake | None:
        """Return the first setting whose value is of a kind that libvirt refuses."""
        return mistake(self.conf)

    @property
    def drivers(self) -> tuple[str, ...]:
        """Return the security drivers that the file asks for, () for libvirt's choice.

        A list counts as its values, and a text as a list of one.
        """
        value = self.conf.values.get("security_driver")
        chosen = value if isinstance(value, tuple) else (str(value or ""),)
        return tuple(name for name in chosen if name)

    def confines(self, driver: str) -> bool:
        """Tell whether a security driver may be in use, by what the file says."""
        return not self.drivers or driver in self.drivers

    @property
    def confines_unasked(self) -> bool:
        """Tell whether VMs are confined that do not ask for it."""
        return self.conf.values.get("security_default_confined") not in (0, "0")


def _sample(conf: LibvirtConf) -> tuple[str, ...]:
    """Return libvirt's own list as its file shows it, () if it shows none.

    A commented-out list with other nodes is one that somebody took out of force.
    """
    lists = (s.value for s in conf.defaults if s.key == DEVICE_LIST)
    own = [v for v in lists if isinstance(v, tuple) and set(v) <= {*EVER_BUILT_IN}]
    return max(own, key=len, default=())


class DeviceList(NamedTuple):
    """The device nodes that a VM of the system instance may have.

    ``items`` are in force; ``line`` is the setting's, 0 if libvirt's own list is in
    force. ``counts`` is false if qemu.conf has both its uses switched off.
    ``whole`` is false if the file has comments only and lacks libvirt's sample of the
    list: then it is no file that libvirt ships, nor one that somebody wrote.
    """

    path: str
    line: int
    items: tuple[str, ...]
    defaults: tuple[str, ...]
    counts: bool
    whole: bool = True

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> DeviceList:
        """Read qemu.conf; raise `MissingFact` if it cannot be read, or is not there."""
        file = facts[QemuConf]
        conf = file.in_force()
        held = conf.setting(DEVICE_LIST)
        shown = _sample(conf)
        defaults = shown or BUILT_IN
        items = held.value if held and isinstance(held.value, tuple) else defaults
        line = held.line if held else 0
        whole = bool(conf.settings or shown) or facts[Generated].yes
        return cls(file.path, line, items, defaults, _counts(conf), whole)

    def demand(self) -> None:
        """Raise `MissingFact` if what is in force cannot be told from the file."""
        if not self.whole:
            raise MissingFact(NOT_WHOLE.filled(path=self.path), Why.FAILED)

    @property
    def lacks_kvm(self) -> bool:
        """Tell whether a list of one's own keeps QEMU from the kernel's KVM."""
        return bool(self.line and KVM in self.defaults and KVM not in self.items)

    @property
    def source(self) -> str:
        """Return where the list is: the file, and the line if it has one."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def wanted(self, nodes: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the list should hold: libvirt's own, and these nodes."""
        return tuple(dict.fromkeys((*self.defaults, *nodes)))


def with_devices(conf: QemuConf, items: tuple[str, ...]) -> str | None:
    """Return the file's text with these in its list; None if it must not be edited."""
    if isinstance(conf.text, Missing) or "\ufffd" in conf.text:
        return None
    return with_items(conf.text, DEVICE_LIST, items)


def _counts(conf: LibvirtConf) -> bool:
    """Tell whether the list is used: in VMs' private /dev, or by the cgroup.

    The private ``/dev`` is libvirt's default, and so is the controller.
    """
    values = conf.values
    private, controllers = values.get("namespaces"), values.get("cgroup_controllers")
    has_private = not isinstance(private, tuple) or "mount" in private
    return has_private or not isinstance(controllers, tuple) or "devices" in controllers
