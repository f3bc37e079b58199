"""Which system this is: distribution, image, container or host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.host.reader import Missing, read_text

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

IMAGE_INFO = "/usr/share/ublue-os/image-info.json"
# Each is made by one container runtime or by systemd for any it starts in.
CONTAINER_MARKS = (
    ("/run/.containerenv", "podman, toolbox or distrobox"),
    ("/.dockerenv", "docker"),
    ("/run/systemd/container", "a container"),
    ("/.flatpak-info", "flatpak"),
)


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
        fields = os_release_fields(text)
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


def os_release_fields(text: str) -> dict[str, str]:
    """Return the assignments of os-release(5), quotes taken off; never raises."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            fields[key] = value
    return fields


class ImageInfo(NamedTuple):
    """How a Universal Blue image describes itself."""

    name: str
    flavor: str
    vendor: str
    tag: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ImageInfo:
        """Read image-info.json; `MissingFact` on hosts without it."""
        import json

        text = known(read_text(host, IMAGE_INFO))
        try:
            held = json.loads(text)
        except ValueError as error:
            raise MissingFact(f"{IMAGE_INFO}: not JSON ({error})") from error
        if not isinstance(held, dict):
            raise MissingFact(f"{IMAGE_INFO}: not a JSON object")
        names = ("image-name", "image-flavor", "image-vendor", "image-tag")
        return cls(*(str(held.get(name, "")) for name in names))


class Container(NamedTuple):
    """What kind of container the doctor runs in: "" on a host of its own.

    ``host_root`` is ``/run/host`` where the container shows its host there.
    """

    kind: str
    host_root: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Container:
        """Look for the marks that container runtimes leave."""
        kind = container_kind(host)
        shown = kind and not isinstance(host.lstat("/run/host/etc"), Missing)
        return cls(kind, "/run/host" if shown else "")


def container_kind(host: Reader) -> str:
    """Return what kind of container this is, "" where it is none."""
    for path, kind in CONTAINER_MARKS:
        if not isinstance(host.lstat(path), Missing):
            return kind
    return ""
