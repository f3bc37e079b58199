"""What the initramfs of the running kernel holds, by its own list of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.images.command import package_image
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.facts.kernel import KernelRelease
from vfio_doctor.host.reader import UNSAID, Missing
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# Where distributions put the image of the running kernel.
IMAGES = (
    "/boot/initrd.img-{release}",
    "/boot/initramfs-{release}.img",
    "/boot/initrd-{release}",
)
# Each comes with the tool that makes images, and unpacks nothing to disk.
LISTERS = {
    ImageKind.INITRAMFS_TOOLS: "lsinitramfs",
    ImageKind.DRACUT: "lsinitrd",
    ImageKind.MKINITCPIO: "lsinitcpio",
}
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


class ImageContent(NamedTuple):
    """The names of modules and of modprobe.d's files in the image.

    ``told`` is false if there is no list of them; ``unread`` is why, if the image or
    its tool may not be used.
    """

    image: str = ""
    modules: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    told: bool = False
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ImageContent:
        """Have the tool that made the image list it."""
        listers = [LISTERS[k] for k in facts[ImageTool].kinds if k in LISTERS]
        found = (path for path in images(host, facts) if _is_there(host, path))
        image = next(found, "")
        if len(listers) != 1 or not image:
            return cls(image)
        answer = host.run((listers[0], image))
        if isinstance(answer, Missing):
            return cls(image, unread=None if answer.why in UNSAID else answer)
        names = tuple(filter(None, map(_name, answer.stdout.splitlines())))
        if answer.status or not any(".ko" in name for name in names):
            return cls(image)
        return cls(image, frozenset(_modules(names)), frozenset(_files(names)), True)

    def holds(self, path: str) -> bool:
        """Tell whether a file of modprobe.d is in the image; links are not followed."""
        return path.lstrip("/") in self.files


def images(host: Reader, facts: Facts) -> Iterator[str]:
    """Yield where the image of the running kernel may be."""
    release = facts[KernelRelease].release
    for form in IMAGES:
        yield form.format(release=release)
    if named := package_image(host, facts):
        yield named


def _is_there(host: Reader, path: str) -> bool:
    return not isinstance(host.lstat(path), Missing)


def _name(line: str) -> str:
    """Return the path of a line: alone, or last as ``ls -l`` has it."""
    return line.partition(" -> ")[0].rpartition(" ")[2].lstrip("/")


def _modules(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        leaf = name.rpartition("/")[2]
        for suffix in _SUFFIXES:
            if leaf.endswith(suffix):
                yield module_name(leaf.removesuffix(suffix))


def _files(names: tuple[str, ...]) -> Iterator[str]:
    return (name for name in names if "modprobe.d/" in name)
