from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse.systemd_versions import (
    Systemd,
    is_system,
    is_too_late,
    read_version,
)


@for_each(
    ("text", "version"),
    [
        ("252.so", Systemd(252)),
        ("258.1-1.fc43.so", Systemd(258, 1)),
        ("257 (257.9-1.fc42)\n+PAM", Systemd(257, 9)),
        ("258 (258-2-arch)", Systemd(258)),
        ("258 (259.1)", Systemd(258)),
        ("258~rc2", Systemd(258)),
        ("256.", Systemd(256)),
        ("0.1", None),
        (".5", None),
        ("x", None),
        ("", None),
        ("123456", None),
    ],
)
def test_read(text: str, version: Systemd | None) -> None:
    assert read_version(text) == version


@given(st.text())
def test_never_raises(text: str) -> None:
    version = read_version(text)
    assert version is None or version.major > 0


# What it does with OWNER="alice": it is meant well, dropped, or warned of.
@for_each(
    ("version", "well", "drops", "warns"),
    [
        (Systemd(252), True, False, False),
        (Systemd(257, 9), True, False, False),
        (Systemd(258), False, None, False),
        (Systemd(258, 0), False, True, False),
        (Systemd(258, 4), False, True, False),
        (Systemd(258, 5), False, False, True),
        (Systemd(258, 10), False, False, True),
        (Systemd(259), False, None, False),
        (Systemd(259, 1), False, True, False),
        (Systemd(259, 2), False, False, True),
        (Systemd(260), False, False, True),
        (Systemd(262, 1), False, False, True),
    ],
)
def test_people(version: Systemd, well: bool, drops: bool | None, warns: bool) -> None:
    found = (version.means_people_well, version.drops_people, version.warns_of_people)
    assert found == (well, drops, warns)


def test_from_258_on() -> None:
    for version, new in ((Systemd(257, 12), False), (Systemd(258), True)):
        assert version.drops_unknown_names is new
        assert version.ignores_late_tags is new


def test_prefix_i_is_known_from_257_on() -> None:
    assert not Systemd(256, 9).knows_ignore_case
    assert Systemd(257).knows_ignore_case


def test_point_releases_are_told_apart() -> None:
    assert Systemd(257, 9).at_least(257, 9)
    assert not Systemd(257, 8).at_least(257, 9)
    assert not Systemd(257).at_least(257, 9)
    assert Systemd(258).at_least(257, 9)
    assert [str(Systemd(257)), str(Systemd(257, 9))] == ["257", "257.9"]


def test_accounts_and_files() -> None:
    assert [is_system(n) for n in (-1, 0, 999, 1000)] == [False, True, True, False]
    names = ("70-kvmfr.rules", "73-seat-late.rules", "99-kvmfr.rules")
    late = [is_too_late(f"/etc/udev/rules.d/{name}") for name in names]
    assert late == [False, True, True]
