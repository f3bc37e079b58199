"""On NixOS no advice edits a file that NixOS makes from its configuration."""

from __future__ import annotations

import re

import pytest

from support import hosts, templates
from support.effort import some
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.nixos_words import INSTEAD, on_nixos
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.facts.init import Init
from vfio_doctor.messages import in_order, say

# Edits of files, and tools that NixOS does not have. A VM's definition is libvirt's.
EDITS = re.compile(
    r"/etc/(?!pki|libvirt/qemu/)|update-(?:grub|initramfs)|dracut --|mkinitcpio -"
    r"|rpm-ostree|grubby|systemctl (?:enable|disable|unmask)|boot tool|usermod"
)
# The host has the files of another system, which a NixOS host has not.
NOT_ON_NIXOS = ("module-options-not-in-image", "arguments-for-another-loader")
RULES = load()


@pytest.mark.slow
@for_each("name", some(catalogue.names()))
def test_no_advice_edits_files(name: str) -> None:
    host = hosts.changed(
        catalogue.host(name), files={"/etc/os-release": "ID=nixos\n", "/etc/NIXOS": ""}
    )
    facts = Facts(host, Options(areas=("kvmfr",)))
    if facts[Init].other:
        # NixOS is systemd's.
        return
    for result in diagnose(facts, RULES):
        for found in result.diagnoses if result.id not in NOT_ON_NIXOS else ():
            assert EDITS.search(str(found.finding.advice)) is None, found.finding.advice


def test_what_is_replaced_is_said_somewhere_and_its_values_are_enough() -> None:
    told = {said.id: said.template for said in templates.all_said()}
    for name, other in INSTEAD.items():
        fields = set(re.findall(r"\{(\w+)\}", other.template))
        assert fields <= set(re.findall(r"\{(\w+)\}", told[name]))


def test_sentences_inside_of_others_are_replaced() -> None:
    first = say("libvirt-daemon-enable", "Run {unit}.", unit="virtqemud.socket")
    made = str(on_nixos(in_order(first, say("x", "Then {n}.", n=1))))
    assert made.startswith("In configuration.nix, set `virtualisation.libvirtd.enable")
    assert made.endswith("Then 1.")
