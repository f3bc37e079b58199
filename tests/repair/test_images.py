"""Images are made anew for every kernel, read back, and made anew by undo."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from support import played_machine as played
from support.fixture_hosts.recipes.debian import KERNEL
from support.unbound_card import CARD, IMAGE, unbound
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.values import Effect, Ending, Outcome, Plan
from vfio_doctor.repair.verify import verify

REGISTRY = load()
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
            if self.fault == "fails" and number:
                self.fault = ""
                return CommandResult(argv, 1, "", "No space left on device")
            self._make(path)
        return CommandResult(argv, 0, "", "")

    def _make(self, path: str) -> None:
        root = self.host.root
        held = [f"etc/modprobe.d/{p.name}" for p in root.glob("etc/modprobe.d/*")]
        for name in (root / "etc/initramfs-tools/modules").read_text().split("\n"):
            held += (
                [f"lib/modules/{KERNEL}/{name.replace('_', '-')}.ko"] if name else []
            )
        if self.fault == "leaves out":
            held = [name for name in held if "vfio-doctor" not in name]
        (root / path.lstrip("/")).write_text("\n".join(sorted(held)))


def host_in(root: Path) -> played.PlayedHost:
    capture = unbound()
    capture.files[SECOND] = b""
    capture.files["/etc/modprobe.d/own.conf"] = b"# mine\n"
    host = played.PlayedHost(root, capture)
    ImageRunner(host)._make(IMAGE)
    ImageRunner(host)._make(SECOND)
    host.moved()
    return host


def planned(host: played.PlayedHost) -> Plan:
    facts = Facts(host)
    results = diagnose(facts, REGISTRY, ("vfio-not-bound",))
    return make_plan(host, facts, results, choose(host, facts), risky=True)


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


def applied(host: played.PlayedHost, fault: str = "") -> tuple[Plan, Outcome]:
    plan = planned(host)
    return plan, apply_plan(plan, machine(host, fault))


@pytest.mark.runs("sh")
def test_every_image_holds_it_and_undo_makes_them_as_they_were(tmp_path: Path) -> None:
    host = host_in(tmp_path)
    before = things(host)
    plan, outcome = applied(host)
    assert outcome.ending is Ending.DONE, outcome
    for path in (IMAGE, SECOND):
        text = (tmp_path / path.lstrip("/")).read_text()
        assert "etc/modprobe.d/vfio-doctor.conf" in text
        assert "vfio-pci.ko" in text
    found = verify(Facts(host), REGISTRY, plan.fixes, outcome)
    assert {verdict.effect for verdict in found} == {Effect.AFTER_REBOOT}
    assert not planned(host).steps

    assert undo_run(machine(host)).ending is Ending.UNDONE
    assert things(host) == before


@pytest.mark.runs("sh")
@pytest.mark.parametrize("fault", ["fails", "leaves out"])
def test_a_tool_that_fails_is_rolled_back(tmp_path: Path, fault: str) -> None:
    host = host_in(tmp_path)
    before = things(host)
    _, outcome = applied(host, fault)
    assert outcome.ending is Ending.ROLLED_BACK, outcome
    said = {"fails": "No space left", "leaves out": "does not show"}
    assert said[fault] in str(outcome.why)
    assert things(host) == before
    assert CARD in str(planned(host).fixes)
