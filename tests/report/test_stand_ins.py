"""Two bug reports of one host do not differ in how they number what is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_hosts import catalogue
from support.hosts import changed
from support.rows import for_each
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save_text
from vfio_doctor.report.compare import Snapshot, differences
from vfio_doctor.report.stand_ins import renamed

NOW = "arguments now"
KINDS = ("hidden{}-s", "hidden{}-m", "volume{}", "name{}", "198.0.0.{}", "user{}")


GIVEN, ADDED = "nas=attic ip=10.1.2.3", "vfio-pci.disable_vga=1"


def shot(*words: str, **system: str) -> Snapshot:
    return {"system": dict(system), NOW: dict.fromkeys(words, "there")}


def changes(old: Snapshot, new: Snapshot) -> list[str]:
    return [one.name for one in differences(old, renamed(old, new))]


@for_each(
    ("old", "new", "expected"),
    [
        (["a=hidden1-s"], ["a=hidden7-s"], []),
        (["a=hidden1-s", "b=hidden2-s"], ["a=hidden2-s", "b=hidden1-s"], []),
        (["root=UUID=00000001-0000-4000-8000-000000000001"], ["root=UUID=x"], ["x"]),
        (["a=hidden1-s"], ["a=hidden1-m"], ["hidden1-m", "hidden1-s"]),
        # Equal before, not equal now: something has changed.
        (["a=name1", "b=name1"], ["a=name1", "b=name2"], ["b=name1", "b=name2"]),
        (["a=name1", "b=name2"], ["a=name1", "b=name1"], ["b=name1", "b=name2"]),
        (["hidden1-s"], ["hidden4-s", "hidden1-s"], ["hidden1-s*"]),
    ],
)
def test_what_differs_is_not_the_number(
    old: list[str], new: list[str], expected: list[str]
) -> None:
    found = changes(shot(*old), shot(*new))
    assert len(found) == len(expected) or expected == ["x"]
    assert all(any(part in name for name in found) for part in expected)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(KINDS), st.integers(1, 9)),
        max_size=12,
    ),
    st.permutations(range(1, 10)),
    st.sampled_from(["6.1.0-name1-amd64", "6.1.0"]),
)
def test_numbers_given_anew_are_no_difference(
    words: list[tuple[str, str, int]], order: list[int], kernel: str
) -> None:
    def made(number: dict[int, int]) -> Snapshot:
        return shot(
            *(f"{key}=quiet,{kind.format(number[n])}" for key, kind, n in words),
            kernel=kernel.replace("name1", f"name{number[1]}"),
        )

    before = made({n: n for n in range(1, 10)})
    after = made(dict(zip(range(1, 10), order, strict=True)))
    assert changes(before, after) == []
    after[NOW]["intel_iommu=on"] = "there"
    assert changes(before, after) == ["intel_iommu=on"]


@pytest.mark.parametrize("open_side", [None, "old", "new"])
def test_two_bug_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], open_side: str | None
) -> None:
    old = catalogue.host("healthy-debian12")
    line = old.capture.files["/proc/cmdline"]
    assert isinstance(line, bytes)
    words = line.decode().strip()
    options = "options weird secret=attic other=cellar\n"
    hosts = {
        "old": changed(old, {"/proc/cmdline": f"{words} {GIVEN}\n"}),
        "new": changed(
            old,
            {
                "/etc/modprobe.d/a.conf": options,
                "/proc/cmdline": f"{words} {GIVEN} {ADDED}\n",
            },
        ),
    }
    paths = []
    for side, host in hosts.items():
        path = tmp_path / f"{side}.host"
        save_text(host.capture, path)
        report = tmp_path / f"{side}.tar.gz"
        status(["--capture", str(path), "bug-report", "-o", str(report)])
        paths.append(str(path if side == open_side else report))
    capsys.readouterr()
    assert status(["diff", *paths]) == 1
    said = capsys.readouterr().out
    rows = [text.split() for text in said.splitlines() if " there" in text]
    assert rows == [[ADDED, "-", "there"]]
    assert "hidden values are compared by their place" in said
