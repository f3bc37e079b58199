"""Siblings of the cases: one cause a card, and commands that serve on this host."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import KERNEL
from support.fixture_hosts.recipes.passthrough import OVERRIDE, executable
from support.rows import for_each
from support.unbound_card import AUDIO, CARD, unbound
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis, Severity

REGISTRY = load()
BOTH = "10de:2482,10de:228b"
OPTIONS = file("/etc/modprobe.d/vfio.conf", f"options vfio-pci ids={BOTH}\n")
SOFTDEP = file("/etc/modprobe.d/dep.conf", "softdep nouveau pre: vfio-pci\n")
MKINITCPIO = {"/usr/bin/mkinitcpio": ""}
KMS = "MODULES=()\nHOOKS=(base udev autodetect modconf kms block)\n"
SCRIPT = "/usr/local/bin/v.sh"
DRACUT = {"/usr/bin/dracut": ""}
NAMED = {**DRACUT, f"/lib/modules/{KERNEL}/pkgbase": "linux\n"}
BOOSTER = {
    "/usr/bin/booster": "",
    "/etc/booster.yaml": "compression: zstd\nmodules_force_load: nouveau, vfio-pci\n",
}


def found(
    tools: dict[str, str], *parts: Parts, ids: str = ""
) -> dict[str, list[Diagnosis]]:
    """Return what is found, by check; the advice is the same after redaction."""
    host = CapturedHost(unbound(*parts, ids=ids, tools=Parts({**tools})))
    chosen = ("vfio-not-bound", "vfio-script-idle")
    shared = CapturedHost(redact(host.capture).capture)
    told, again = (diagnose(Facts(one), REGISTRY, chosen) for one in (host, shared))
    for one, two in zip(told, again, strict=True):
        assert [d.finding.advice and d.finding.advice.id for d in one.diagnoses] == [
            d.finding.advice and d.finding.advice.id for d in two.diagnoses
        ]
    return {result.id: list(result.diagnoses) for result in told}


def advice(tools: dict[str, str], *parts: Parts, ids: str = "") -> dict[str, str]:
    told = found(tools, *parts, ids=ids)["vfio-not-bound"]
    return {d.finding.subject: str(d.finding.advice) for d in told}


COMMANDS = {
    "sudo mkinitcpio -P": MKINITCPIO,
    "sudo dracut --force": DRACUT,
    "sudo xbps-reconfigure -f linux6.1": {**DRACUT, "/usr/bin/xbps-reconfigure": ""},
    "sudo dracut-rebuild": {**NAMED, "/usr/bin/dracut-rebuild": ""},
    "sudo reinstall-kernels": {**NAMED, "/usr/bin/reinstall-kernels": ""},
    "sudo dracut --force /boot/initramfs-linux.img": {
        **NAMED,
        "/boot/initramfs-linux.img": "an image",
    },
    "sudo /usr/lib/booster/regenerate_images": {"/usr/bin/booster": ""},
    "sudo mkinitfs": {"/sbin/mkinitfs": ""},
}


@for_each("command", COMMANDS)
def test_the_command_that_makes_the_image_here(command: str) -> None:
    told = advice(COMMANDS[command], ids=f"vfio-pci.ids={BOTH}")
    assert f"(`{command}`)" in told[CARD]
    assert f"(`{command}`)" in told[AUDIO]


def test_a_line_that_is_there_is_not_to_be_written_again() -> None:
    told = advice(DRACUT, OPTIONS, SOFTDEP)
    assert "/etc/modprobe.d/dep.conf:1 has vfio-pci loaded before it" in told[CARD]
    assert "Write `softdep snd_hda_intel" in told[AUDIO]


@pytest.mark.parametrize(
    ("tools", "parts", "words"),
    [
        (MKINITCPIO, (file("/etc/mkinitcpio.conf", KMS),), "kms hook puts"),
        (BOOSTER, (), "has nouveau loaded before vfio_pci"),
        (
            DRACUT,
            (file("/etc/dracut.conf.d/v.conf", 'add_drivers+=" vfio_pci "\n'),),
            "Write force_drivers in its place",
        ),
    ],
    ids=["kms", "booster", "dracut"],
)
def test_one_change_to_the_image_serves_the_whole_card(
    tools: dict[str, str], parts: tuple[Parts, ...], words: str
) -> None:
    told = advice(tools, OPTIONS, *parts)
    assert words in told[CARD]
    assert f"of one card with {CARD}" in told[AUDIO]


LINE = file("/etc/modprobe.d/vfio.conf", f"install vfio-pci {SCRIPT}\n")
NEVER_LOADS = OVERRIDE.replace("modprobe -i vfio-pci\n", "")
NOT_IN_TIME = {
    "not executable": file(SCRIPT, OVERRIDE),
    "does not load it": executable(SCRIPT, NEVER_LOADS),
}


@for_each("name", NOT_IN_TIME)
def test_a_script_that_does_not_run_is_the_one_cause(name: str) -> None:
    told = found(DRACUT, LINE, NOT_IN_TIME[name])
    assert [d.severity for d in told["vfio-script-idle"]] == [Severity.ERROR]
    bound = told["vfio-not-bound"]
    assert {d.finding.subject for d in bound} == {CARD, AUDIO}
    assert {d.severity for d in bound} == {Severity.WARNING}
    assert all("what vfio-script-idle advises" in str(d.finding.advice) for d in bound)


def test_a_script_that_runs_too_late_wants_the_module_earlier() -> None:
    told = advice(DRACUT, LINE, executable(SCRIPT, OVERRIDE))
    assert "Write `softdep nouveau pre: vfio-pci`" in told[CARD]
