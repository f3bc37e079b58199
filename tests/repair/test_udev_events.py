"""Waiting for udev's own events: with devices of this machine, and with none."""

import pytest

from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.host.udev import EventWatch
from vfio_doctor.repair.runner import LiveRunner

# libudev is looked for with what ctypes uses.
pytestmark = pytest.mark.runs("ldconfig", "gcc", "cc", "ld", "objdump", "udevadm")


def test_no_event_is_missed_where_none_is_due() -> None:
    assert EventWatch("kvmfr").missed(frozenset(), 1) == frozenset()


def test_an_event_that_does_not_come_is_named() -> None:
    watch = EventWatch("kvmfr")
    missed = watch.missed(frozenset({"kvmfr0"}), 0.05)
    assert missed in (frozenset({"kvmfr0"}), frozenset())


def test_a_trigger_of_a_subsystem_without_devices_waits_for_nothing() -> None:
    argv = ("udevadm", "trigger", "--dry-run", "--subsystem-match=kvmfr")
    answer = LiveRunner().run(argv, 20)
    if isinstance(answer, Missing):
        assert answer.why is Why.ABSENT
    else:
        assert isinstance(answer, CommandResult)
