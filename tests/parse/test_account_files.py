from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples
from support.rows import for_each
from vfio_doctor.parse.accounts import (
    GroupLine,
    PasswdLine,
    parse_group,
    parse_passwd,
)


def test_passwd() -> None:
    text = "root:x:0:0:root:/root:/bin/sh\n+::::::\n# no\nx:y:z:0::/:\nshort:x:1\n\n"
    assert parse_passwd(text) == (PasswdLine("root", 0, 0, "/root"),)


@for_each(
    ("line", "want"),
    [
        ("kvm:x:36:qemu,alice", GroupLine("kvm", 36, ("qemu", "alice"))),
        ("kvm:x:36:", GroupLine("kvm", 36, ())),
        ("kvm:x:36", GroupLine("kvm", 36, ())),
        ("kvm:x:36: qemu , ,alice", GroupLine("kvm", 36, ("qemu", "alice"))),
        ("kvm:x:٣:", None),
        ("kvm:x:99999999999:", None),
        ("-kvm:x:36:", None),
        ("", None),
    ],
)
def test_group(line: str, want: GroupLine | None) -> None:
    assert parse_group(line) == ((want,) if want else ())


@given(st.text(alphabet="ab:x0123456789,+-#\n ", max_size=80))
def test_never_raises(text: str) -> None:
    assert all(line.name for line in parse_passwd(text))
    assert all(line.name for line in parse_group(text))


@given(st.integers(0, 2**32 - 2), st.lists(st.text("abz09_-", min_size=1)))
@examples(50)
def test_what_is_written_is_read(gid: int, members: list[str]) -> None:
    text = f"some:x:{gid}:{','.join(members)}\n"
    assert parse_group(text) == (GroupLine("some", gid, tuple(members)),)
