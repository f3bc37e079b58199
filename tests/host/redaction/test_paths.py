"""A path is hidden in the same way, whatever was hidden before it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vfio_doctor.host.redaction import paths
from vfio_doctor.host.redaction.names import Names

PARTS = ["", "etc", "home", "alice", "disk", "by-designator", "libvirt", "qemu", "7"]
PATHS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("/".join)


@given(st.lists(PATHS, max_size=8))
def test_what_is_known_to_be_plain_is_what_would_be_found_plain(
    asked: list[str],
) -> None:
    remembering, forgetting = Names(), Names()
    for path in asked:
        forgetting.plain.clear()
        assert paths.path(path, remembering) == paths.path(path, forgetting)
    assert remembering.counts() == forgetting.counts()


def test_a_hidden_folder_stays_hidden_behind_two_slashes() -> None:
    names = Names()
    hidden = paths.path("disk/by-designator//x", names)
    assert "designator" not in hidden
    assert paths.path("disk/by-designator/x", names) == hidden.replace("//", "/")
