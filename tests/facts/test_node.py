from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.facts.node import may_open
from vfio_doctor.host.reader import AclEntry, Kind, Stat

ALICE, QEMU = 1000, 107


def node(mode: int, uid: int = 0, gid: int = 0, *acl: tuple[str, int, int]) -> Stat:
    return Stat(Kind.CHAR, mode, uid, gid, acl=tuple(AclEntry(*e) for e in acl))


SEAT = (
    ("user_obj", -1, 6),
    ("user", ALICE, 6),
    ("group_obj", -1, 6),
    ("mask", -1, 6),
    ("other", -1, 0),
)
MASKED = (*SEAT[:3], ("mask", -1, 4), SEAT[4])
GROUPS = (
    ("user_obj", -1, 6),
    ("group_obj", -1, 0),
    ("group", 36, 6),
    ("group", 37, 4),
    ("mask", -1, 6),
    ("other", -1, 6),
)


@for_each(
    ("stat", "uid", "gids", "opens"),
    [
        pytest.param(node(0o600), 0, (0,), True, id="root"),
        pytest.param(node(0o000), 0, (0,), True, id="root-always"),
        pytest.param(node(0o600), ALICE, (ALICE,), False, id="stranger"),
        pytest.param(node(0o600, ALICE), ALICE, (), True, id="owner"),
        pytest.param(node(0o066, ALICE), ALICE, (ALICE,), False, id="owner-shut-out"),
        pytest.param(node(0o660, 0, 36), ALICE, (ALICE, 36), True, id="group"),
        pytest.param(node(0o606, 0, 36), ALICE, (36,), False, id="group-shut-out"),
        pytest.param(node(0o640, 0, 36), ALICE, (36,), False, id="group-reads"),
        pytest.param(node(0o666), ALICE, (), True, id="world"),
        pytest.param(node(0o660, 0, QEMU, *SEAT), ALICE, (ALICE,), True, id="seat-acl"),
        pytest.param(node(0o660, 0, QEMU, *SEAT), QEMU, (QEMU,), True, id="acl-group"),
        pytest.param(node(0o660, 0, QEMU, *SEAT), 1001, (1001,), False, id="acl-other"),
        pytest.param(node(0o640, 0, QEMU, *MASKED), ALICE, (), False, id="mask-user"),
        pytest.param(node(0o640, 0, QEMU, *MASKED), 9, (QEMU,), False, id="mask-group"),
        pytest.param(
            node(0o660, ALICE, 0, *MASKED), ALICE, (), True, id="owner-unmasked"
        ),
        pytest.param(
            node(0o666, 0, 5, *GROUPS), 9, (36, 37), True, id="one-group-is-enough"
        ),
        pytest.param(
            node(0o666, 0, 5, *GROUPS), 9, (37,), False, id="group-reads-only"
        ),
        pytest.param(
            node(0o666, 0, 5, *GROUPS), 9, (5,), False, id="own-group-shut-out"
        ),
        pytest.param(node(0o666, 0, 5, *GROUPS), 9, (8,), True, id="acl-for-others"),
    ],
)
def test_access(stat: Stat, uid: int, gids: tuple[int, ...], opens: bool) -> None:
    assert may_open(stat, uid, gids) is opens


def test_reading_alone_may_be_open() -> None:
    assert may_open(node(0o640, 0, 36), ALICE, (36,), want=4)


@given(
    st.integers(0, 0o777),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(1, 3),
    st.sets(st.integers(0, 3)),
)
def test_the_minimal_acl_says_what_the_mode_says(
    mode: int, uid: int, gid: int, who: int, gids: set[int]
) -> None:
    minimal = (
        ("user_obj", -1, mode >> 6 & 7),
        ("group_obj", -1, mode >> 3 & 7),
        ("other", -1, mode & 7),
    )
    plain, listed = node(mode, uid, gid), node(mode, uid, gid, *minimal)
    assert may_open(plain, who, gids) == may_open(listed, who, gids)
