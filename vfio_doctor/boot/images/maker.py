"""What every maker of initramfs images offers, and the steps it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.kernel_cmdline import content
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, FileStep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import RebuildImages, Step

BUILD = say("do-build-images", "build the initramfs of every kernel anew")
BUILD_BACK = say("do-build-images-back", "build the images from the old files")
READ_BACK = say("do-read-image", "see that the image holds {held}")
NO_IMAGE = say(
    "image-none-found",
    "no image that {tool} has made was found, so what it makes could not be read back",
)
# In a path of /boot, or of the loader's partition.
IMAGE = r"/(?:boot|efi)/[^\x00-\x1f\x7f]{1,250}"


class ImageMaker:
    """One tool; it plans, `repair.session` acts.

    ``commands`` are the forms of all that `steps` asks for, as in `BootBackend`;
    ``lister`` prints the paths in an image whose path follows. ``beside`` is where the
    image of a kernel in /boot belongs.
    """

    name: ClassVar[str] = ""
    lister: ClassVar[str] = ""
    beside: ClassVar[str] = "/boot/initramfs-{}.img"
    commands: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def build(self, host: Reader) -> tuple[str, ...]:
        """Return the command that makes the images of all kernels."""
        raise NotImplementedError

    def images(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the paths of the images that it makes."""
        raise NotImplementedError

    def configured(self, host: Reader, change: RebuildImages) -> Iterator[FileStep]:
        """Yield the edits that have the image load the modules first.

        Raises `CannotFix` if its configuration does not let it hold what it must.
        """
        raise NotImplementedError

    def steps(self, host: Reader, change: RebuildImages) -> tuple[list[Step], ...]:
        """Return the steps before the other files, and those behind them.

        Undo walks backwards: it puts the files back, then makes the images anew.
        """
        build, images = self.build(host), self.images(host) or self._expected(host)
        if images == () or (isinstance(images, Missing) and images.why is Why.ABSENT):
            raise CannotFix(NO_IMAGE.filled(tool=self.name))
        if isinstance(images, Missing) and images.why is not Why.NOT_CAPTURED:
            raise CannotFix(images.message, images.why)
        edits = list(self.configured(host, change))
        known = () if isinstance(images, Missing) else images
        held = (
            *(f"/{module.replace('_', '-')}.ko" for module in change.modules[:1]),
            *(path.lstrip("/") for path in change.files),
        )
        why = READ_BACK.filled(held=held)
        made: list[Step] = [CommandStep(build, why=BUILD)]
        read = known if held else ()
        made += [CommandStep((self.lister, i), why=why, shows=held) for i in read]
        return [CommandStep((), build, why=BUILD_BACK, makes=known), *edits], made

    def _expected(self, host: Reader) -> tuple[str, ...]:
        """Return where the images of the kernels in /boot belong."""
        kernels = globbed(host, "/boot/vmlinuz-*")
        names = () if isinstance(kernels, Missing) else kernels
        return tuple(
            self.beside.format(name.removeprefix("/boot/vmlinuz-")) for name in names
        )


def globbed(host: Reader, *patterns: str) -> tuple[str, ...] | Missing:
    """Return all paths that match; if there are none, why one cannot be looked for."""
    found: list[str] = []
    unseen: list[Missing] = []
    for pattern in patterns:
        paths = host.glob(pattern)
        if not isinstance(paths, Missing):
            found += paths
        elif paths.why is not Why.ABSENT:
            unseen.append(paths)
    return unseen[0] if unseen and not found else tuple(found)


def with_lines(host: Reader, path: str, lines: tuple[str, ...]) -> Iterator[FileStep]:
    """Yield the edit that puts lines at the end of a file that lacks them."""
    before = content(host, path)
    text = (before or b"").decode("utf-8", "surrogateescape")
    held = text.splitlines()
    new = [line for line in lines if line not in held]
    if new:
        gap = "" if not text or text.endswith("\n") else "\n"
        after = f"{text}{gap}" + "".join(f"{line}\n" for line in new)
        yield FileStep(path, before, after.encode("utf-8", "surrogateescape"))
