"""A command in place of loading vfio-pci: no image may be built that cannot run it."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.rows import for_each
from support.unbound_card import unbound
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan

REGISTRY = load()
SCRIPT = "/usr/bin/vfio-pci-override.sh"
LOADING = "#!/bin/sh\necho x\nmodprobe -i vfio-pci\n"
OVERRIDE = "echo vfio-pci > /sys/bus/pci/devices/0000:08:00.0/driver_override\n"
COPY = f"copy_exec {SCRIPT} /usr/bin\n"
HOOK = "/etc/initramfs-tools/hooks/vfio"


def plan_of(*parts: Parts) -> Plan:
    host = CapturedHost(unbound(*parts))
    facts = Facts(host, Options())
    results = diagnose(facts, REGISTRY, ("vfio-not-bound",))
    return make_plan(host, facts, results, choose(host, facts), True)


def install(command: str) -> Parts:
    return file("/etc/modprobe.d/own.conf", f"install vfio-pci {command}\n")


@for_each(
    ("parts", "reason"),
    [
        ((install(SCRIPT),), "bind-own-command"),
        ((install(SCRIPT), file(SCRIPT, LOADING)), "bind-own-command"),
        ((install(SCRIPT), file(SCRIPT, OVERRIDE)), "bind-own-command-never-loads"),
        ((install("/bin/true"), file("/bin/true", b"\x7fELF")), "bind-own-command"),
        ((install("true; modprobe vfio-pci"),), "bind-own-command-never-loads"),
    ],
)
def test_an_image_that_cannot_load_vfio_pci_is_not_built(
    parts: tuple[Parts, ...], reason: str
) -> None:
    plan = plan_of(*parts)
    assert not plan.steps
    assert {one.why.id for one in plan.refused} == {reason}


@pytest.mark.parametrize(
    "parts",
    [
        (install("true; modprobe -i vfio-pci"),),
        (install(SCRIPT), file(SCRIPT, LOADING), file(HOOK, COPY)),
        (install(SCRIPT), file(SCRIPT, "#!/bin/sh\n"), file(HOOK, COPY)),
    ],
    ids=["in the line itself", "in the image", "in the image, not known"],
)
def test_a_command_that_loads_it_does_no_harm(parts: tuple[Parts, ...]) -> None:
    assert plan_of(*parts).steps
