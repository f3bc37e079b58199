"""The way from the module to the VM, as a report with -v draws it."""

from __future__ import annotations

import pytest

from support.reports import of_fixture, of_results
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.report import text
from vfio_doctor.report.chain import LINKS, Link, links
from vfio_doctor.report.style import Look

BEFORE_LIST = 7


def drawn(name: str) -> tuple[Link, ...]:
    return links(of_fixture(name))


def states(name: str) -> list[str]:
    return [link.state.id.removeprefix("chain-") for link in drawn(name)]


def test_each_link_names_rules_that_are_there() -> None:
    named = [check for _, checks in LINKS for check in checks]
    registry = load()
    assert len(named) == len(set(named))
    assert [name for name in named if registry.check(name) is None] == []
    kvmfr = {c.id for c in registry.checks if c.id.startswith("kvmfr-")}
    assert kvmfr <= set(named)


def test_a_whole_chain() -> None:
    assert states("healthy-debian12-vm") == ["in-order"] * len(LINKS) + [
        "not-looked-at"
    ]


def test_the_broken_link_is_marked_and_the_rest_wait() -> None:
    found = drawn("bluefin-vm-default-list")
    shown = [link.state.id.removeprefix("chain-") for link in found]
    after = len(LINKS) - BEFORE_LIST - 1
    assert shown == [
        *["in-order"] * BEFORE_LIST,
        "broken",
        *["waits"] * after,
        "not-looked-at",
    ]
    assert found[BEFORE_LIST].why == "kvmfr-not-in-device-list"
    assert found[BEFORE_LIST + 1].why == "kvmfr-not-in-device-list"


def test_a_link_that_could_not_be_seen_says_why() -> None:
    found = drawn("case-kvmfr-14-bazzite44-no-libvirt")
    link = found[BEFORE_LIST]
    assert link.state.id == "chain-unseen"
    assert "/etc/libvirt/qemu.conf" in str(link.why)


def test_what_only_warns_is_not_broken() -> None:
    assert "doubtful" in states("case-kvmfr-22c-bazzitetower-size-differs")


@pytest.mark.parametrize("name", ["healthy-bluefin-no-looking-glass"])
def test_nobody_who_wants_no_kvmfr_sees_it(name: str) -> None:
    assert drawn(name) == ()
    assert links(of_results()) == ()


def test_it_is_drawn_with_evidence_only() -> None:
    report = of_fixture("bluefin-vm-default-list")
    assert "From the module" not in text.render(report, Look())
    shown = text.render(report, Look(verbosity=1))
    assert "From the module" in shown
    assert "BROKEN" in shown


def test_the_scope_says_what_was_looked_at() -> None:
    whole = text.render(of_fixture("healthy-debian12-vm"), Look(width=500))
    assert "Not looked at: graphics drivers, the guest." in whole
    other = text.render(of_fixture("healthy-debian12-shared-memory"), Look(width=500))
    assert "Not looked at: SELinux, AppArmor, graphics drivers." in other
