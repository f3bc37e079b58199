"""A played machine whose initramfs images are lists of what is in them."""

from __future__ import annotations

from pathlib import Path

from support import engine_trees as trees
from support import played_machine as played
from support.fixture_hosts.recipes.debian import KERNEL
from support.unbound_card import IMAGE, unbound
from vfio_doctor.boot.selection import choose
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.repair.target import Machine

SECOND = "/boot/initrd.img-6.1.0-27-amd64"
NOT_COMPARED = ("proc/", "sys/", trees.OURS)


class ImageRunner(played.PlayedRunner):
    """update-initramfs and lsinitramfs: an image is the list of what is in it."""

    def __init__(self, host: played.PlayedHost, fault: str = "") -> None:
        super().__init__(host)
        self.fault = fault

    def _run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        if argv[0] == "lsinitramfs":
            text = (self.host.root / argv[1].lstrip("/")).read_text()
            return CommandResult(argv, 0, text, "")
        if argv[0] != "update-initramfs":
            return super()._run(argv)
        for number, path in enumerate((IMAGE, SECOND)):
            if self.fault in (("broken",), ("half broken", "worse"))[number]:
                self.fault = self.fault.replace("worse", "broken")
                return CommandResult(argv, 1, "", "hooks/broken failed")
            if self.fault == "fails" and number:
                self.fault = ""
                return CommandResult(argv, 1, "", "No space left on device")
            try:
                self._make(path)
            except OSError as error:
                return CommandResult(argv, 1, "", error.strerror or str(error))
        return CommandResult(argv, 0, "", "")

    def _make(self, path: str) -> None:
        root = self.host.root
        held = [f"etc/modprobe.d/{p.name}" for p in root.glob("etc/modprobe.d/*.conf")]
        for name in (root / "etc/initramfs-tools/modules").read_text().split("\n"):
            held += (
                [f"lib/modules/{KERNEL}/{name.replace('_', '-')}.ko"] if name else []
            )
        if self.fault in ("half broken", "worse"):
            # No two images that a real tool makes are the same.
            held.append(f"made by call {len(self.ran)}")
        if self.fault == "leaves out":
            held = [name for name in held if "vfio-doctor" not in name]
        # As the real ones do it: beside, and in place of the old one when it is whole.
        image = root / path.lstrip("/")
        beside = image.with_name(f"{image.name}.new")
        try:
            beside.write_text("\n".join(sorted(held)))
            beside.replace(image)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def host_in(root: Path, capture: Capture | None = None) -> played.PlayedHost:
    capture = capture or unbound()
    capture.files[SECOND] = b""
    capture.files["/etc/modprobe.d/own.conf"] = b"# mine\n"
    host = played.PlayedHost(root, capture)
    ImageRunner(host)._make(IMAGE)
    ImageRunner(host)._make(SECOND)
    host.moved()
    return host


def machine(host: played.PlayedHost, fault: str = "") -> Machine:
    made = played.machine(host, choose(host, Facts(host)))
    return made._replace(runner=ImageRunner(host, fault))


def things(host: played.PlayedHost) -> dict[str, trees.Thing]:
    found = trees.snapshot(host.root).items()
    made = ("run", "var", "var/lib")
    return {
        path: thing
        for path, thing in found
        if not path.startswith(NOT_COMPARED) and path not in made
    }
