"""Every file a diagnosis reads, replaced in turn by something it should not be."""

from __future__ import annotations

import time

import pytest

from support import hosts
from support.effort import mostly_slow
from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.diagnosis.registry import load as load_rules
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.recorder import Recorder
from vfio_doctor.model import Status

NAMES = ["bluefin-dx-2121", "debian12-grub", "arch-systemd-boot"]
# What LiveHost answers for each: see test_live.py.
UNREADABLE = {
    "100-mb": (Why.FAILED, "more than 1048576 bytes"),
    "fifo": (Why.FAILED, "not a regular file"),
    "folder": (Why.FAILED, "not a regular file"),
    "link-loop": (Why.FAILED, "Too many levels of symbolic links"),
    "mode-000": (Why.DENIED, "Permission denied"),
    "slow": (Why.TIMED_OUT, "not read in 5 s"),
}
CONTENTS = {
    "nothing": b"",
    "binary": bytes(range(256)) * 4,
    "nul": bytes(64),
    "one-line": b"x" * 100_000,
    "lines": b"\n" * 10_000,
}


@pytest.fixture(scope="module")
def rules() -> Registry:
    return load_rules()


def statuses(host: CapturedHost, rules: Registry) -> dict[str, Status]:
    return {r.id: r.status for r in diagnose(Facts(host), rules)}


def files_read(host: CapturedHost, rules: Registry) -> list[str]:
    recorder = Recorder(host)
    diagnose(Facts(recorder), rules)
    read = recorder.capture().files
    return sorted(path for path, data in read.items() if isinstance(data, bytes))


@pytest.mark.parametrize(
    "name",
    [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])],
)
@pytest.mark.parametrize("kind", mostly_slow([*UNREADABLE, *CONTENTS], 3))
def test_a_bad_file_is_never_our_fault_nor_good_news(
    name: str, kind: str, rules: Registry
) -> None:
    host = catalogue.host(name)
    good = statuses(host, rules)
    moved = 0
    for path in files_read(host, rules):
        if kind in UNREADABLE:
            bad: bytes | Missing = Missing(path, *UNREADABLE[kind])
        else:
            bad = CONTENTS[kind]
        start = time.monotonic()
        found = statuses(hosts.changed(host, files={path: bad}), rules)
        assert time.monotonic() - start < 5
        assert [i for i, s in found.items() if s is Status.ERROR] == [], path
        moved += found != good
        if kind in UNREADABLE:
            turned = [
                check
                for check, status in good.items()
                if (status, found[check]) == (Status.FAIL, Status.PASS)
            ]
            assert turned == [], path
    assert moved > 3, "the files that were replaced are not those that count"
