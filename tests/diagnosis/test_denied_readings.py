"""What could not be seen is not "no": it may turn a verdict into unknown only."""

from __future__ import annotations

import pytest

from support import denials, effort
from support.effort import mostly_slow, on_hosts
from support.fixture_hosts import catalogue
from vfio_doctor.host.reader import Why


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_a_denied_reading_decides_nothing(name: str) -> None:
    """Try all of a host; outside of CI, of one that is like another a third.

    Another third of the next one, so that the whole family has each reading denied.
    """
    like = catalogue.like(name) and not effort.is_all()
    part = (
        slice(catalogue.names().index(name) // 3 % 3, None, 3)
        if like
        else denials.WHOLE
    )
    wrong = denials.wrong(catalogue.capture(name), part=part)
    assert not wrong, "\n".join(wrong)


OF_EACH_KIND = (
    *("debian12-grub", "healthy-bazzite", "case-kvmfr-17-gentoo-openrc-loaded"),
    *("case-vfio-02-manjaro-nvme-not-taken", "case-kvmfr-05b-guest-vm-to-vm-healthy"),
    *("vfio-physical-with-virtual", "vfio-card-off-the-bus", "debian12-vm-apparmor"),
    *("case-kvmfr-07-nixos-no-size", "vfio-node-closed", "vfio-vm-device-gone"),
)


@pytest.mark.parametrize("why", [Why.FAILED, Why.TIMED_OUT])
@pytest.mark.parametrize("name", mostly_slow(list(OF_EACH_KIND), 11))
def test_a_reading_that_failed_decides_nothing(name: str, why: Why) -> None:
    wrong = denials.wrong(catalogue.capture(name), why)
    assert not wrong, "\n".join(wrong)
