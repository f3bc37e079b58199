"""Which system this is: distribution, image, container or host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import os_release
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

IMAGE_INFO = "/usr/share/ublue-os/image-info.json"
# Each is made by one container runtime; what tells more comes first.
CONTAINER_MARKS = (
    ("/run/.toolboxenv", "toolbox"),
    ("/run/.containerenv", "podman"),
    ("/.dockerenv", "docker"),
    ("/.flatpak-info", "flatpak"),
)
# The runtime's name: systemd as a container's first process writes it, and where
# another program is the first one only the runtime (systemd.io/CONTAINER_INTERFACE).
NAMED_BY = ("/run/systemd/container", "/run/host/container-manager")
# Hosts have it too: it tells only which container this is.
DISTROBOX = "/usr/bin/distrobox-host-exec"
CGROUP = "/proc/1/cgroup"
CGROUP_HINTS = (
    ("/docker", "docker"),
    ("/libpod", "podman"),
    ("/lxc", "lxc"),
    ("/kubepods", "kubernetes"),
    ("/machine.slice/", "systemd-nspawn"),
)
OSRELEASE = "/proc/sys/kernel/osrelease"
HOST = "/run/host"
NOT_JSON = say("image-info-not-json", "{path}: not JSON ({error})")
NO_OBJECT = say("image-info-no-object", "{path}: not a JSON object")


class OsRelease(NamedTuple):
    """``/etc/os-release``: id, ids it is like, pretty name, version id."""

    id: str
    like: tuple[str, ...]
    name: str
    version: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> OsRelease:
        """Read the file, or the vendor's copy where ``/etc`` has none."""
        text = read_text(host, "/etc/os-release")
        if isinstance(text, Missing):
            text = known(read_text(host, "/usr/lib/os-release"))
        fields = os_release.parse(text)
        name = fields.get("PRETTY_NAME") or " ".join(
            word for word in (fields.get("NAME"), fields.get("VERSION_ID")) if word
        )
        return cls(
            fields.get("ID", "linux"),
            tuple(fields.get("ID_LIKE", "").split()),
            name,
            fields.get("VERSION_ID", ""),
        )

    def is_like(self, *ids: str) -> bool:
        """Tell whether this is one of the distributions or descends from one."""
        return bool({self.id, *self.like} & set(ids))


class ImageInfo(NamedTuple):
    """How a Universal Blue image describes itself."""

    name: str
    flavor: str
    vendor: str
    tag: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ImageInfo:
        """Read image-info.json; `MissingFact` on hosts without it."""
        text = known(read_text(host, IMAGE_INFO))
        import json

        try:
            held = json.loads(text)
        except (ValueError, RecursionError) as error:
            why = NOT_JSON.filled(path=IMAGE_INFO, error=str(error))
            raise MissingFact(why) from error
        if not isinstance(held, dict):
            raise MissingFact(NO_OBJECT.filled(path=IMAGE_INFO))
        names = ("image-name", "image-flavor", "image-vendor", "image-tag")
        return cls(*(str(held.get(name, "")) for name in names))


class Container(NamedTuple):
    """What kind of container the doctor runs in: "" on a host of its own.

    ``host_root`` is ``/run/host`` where the container shows its host there (as
    toolbox and distrobox do): a reader with that root sees the host's files.
    Kernel, ``/proc/cmdline`` and ``/sys`` are the host's in any case.
    """

    kind: str
    host_root: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Container:
        """Look for the marks that container runtimes leave.

        Raises `MissingFact` if a mark may be there that could not be looked at.
        """
        for path, _ in CONTAINER_MARKS:
            seen = host.lstat(path)
            if isinstance(seen, Missing) and seen.hidden:
                known(seen)
        kind = container_kind(host)
        shown = kind and not isinstance(host.lstat(f"{HOST}/etc"), Missing)
        return cls(kind, HOST if shown else "")


def container_kind(host: Reader) -> str:
    """Return what kind of container this is, "" where it is none.

    Needs no facts: the command line asks it before it chooses what to read.
    """
    for path, kind in CONTAINER_MARKS:
        seen = host.lstat(path)
        if not isinstance(seen, Missing) or seen.hidden:
            inside = kind in ("podman", "docker")
            entered = inside and not isinstance(host.lstat(DISTROBOX), Missing)
            return "distrobox" if entered else kind
    for path in NAMED_BY:
        named = read_text(host, path)
        if isinstance(named, str):
            return named.strip() or "a container"
    return _by_cgroup(host) or _by_kernel(host)


def _by_cgroup(host: Reader) -> str:
    """Return what the cgroup of the first process says, where it is named."""
    text = read_text(host, CGROUP)
    for line in "" if isinstance(text, Missing) else text.splitlines():
        for hint, kind in CGROUP_HINTS:
            if hint in line:
                return kind
    return ""


def _by_kernel(host: Reader) -> str:
    release = read_text(host, OSRELEASE)
    if isinstance(release, Missing):
        return ""
    return "WSL" if "microsoft" in release.lower() else ""
