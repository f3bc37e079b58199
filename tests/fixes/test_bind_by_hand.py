"""Binding a card where no repair makes the image: refused, with what to do by hand."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts
from support.fixture_hosts.recipes.debian import KERNEL
from support.unbound_card import unbound
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan

REGISTRY = load()
ARCH = {
    "/usr/bin/dracut": "",
    f"/lib/modules/{KERNEL}/pkgbase": "linux\n",
    "/boot/initramfs-linux.img": "an image",
    f"/boot/vmlinuz-{KERNEL}": "a kernel",
}
OSTREE = {
    "/run/ostree-booted": "",
    "/usr/lib/dracut/dracut.conf.d/90-vfio.conf": 'force_drivers+=" vfio_pci "\n',
}
# The host's own card as another of the guest's model.
TWIN = (("1002:67df", "10de:2482"),)


def plan_of(tools: dict[str, str], twin: bool = False) -> Plan:
    captured = unbound(tools=Parts({**tools}), changes=TWIN if twin else ())
    host = CapturedHost(captured)
    facts = Facts(host, Options())
    results = diagnose(facts, REGISTRY, ("vfio-not-bound",))
    return make_plan(host, facts, results, choose(host, facts), True)


@pytest.mark.parametrize(
    ("tools", "twin", "reason", "words"),
    [
        (
            *({"/usr/bin/booster": ""}, False, "bind-image-by-hand-with"),
            "(`sudo /usr/lib/booster/regenerate_images`)",
        ),
        ({"/usr/bin/tinyramfs": ""}, False, "bind-image-by-hand", "10de:228b"),
        ({"/usr/bin/booster": ""}, True, "bind-twin-by-hand", "0000:07:00.0"),
        ({"/etc/NIXOS": ""}, True, "bind-twin-by-hand", "0000:07:00.0"),
        (
            *({**OSTREE, "/usr/bin/rpm-ostree": ""}, True, "bind-twin-by-overlay"),
            "/etc/modprobe.d/vfio-doctor.conf` and `sudo rpm-ostree kargs",
        ),
        ({"/etc/NIXOS": ""}, False, "bind-nixos", "nixos-rebuild"),
        (
            *(ARCH, False, "dracut-images-named-otherwise"),
            "`sudo dracut --force /boot/initramfs-linux.img`",
        ),
    ],
    ids=[
        *("Booster", "tinyramfs", "a twin", "a twin on NixOS"),
        *("a twin on Kinoite", "NixOS", "Arch"),
    ],
)
def test_nothing_is_planned_and_the_way_by_hand_is_said(
    tools: dict[str, str], twin: bool, reason: str, words: str
) -> None:
    plan = plan_of(tools, twin)
    assert not plan.steps
    told = {one.why.id: str(one.why) for one in plan.refused}
    assert words in told[reason]


@pytest.mark.parametrize("caller", ["dracut-rebuild", "reinstall-kernels"])
def test_what_calls_dracut_is_run_in_its_place(caller: str) -> None:
    plan = plan_of({**ARCH, f"/usr/bin/{caller}": ""})
    assert not plan.refused
    assert (caller,) in [getattr(one.step, "argv", ()) for one in plan.steps]
