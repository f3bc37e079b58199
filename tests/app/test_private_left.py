"""The second pass refuses, and names neither value nor our own words."""

from __future__ import annotations

import pytest

from vfio_doctor.app.attachment import PrivateLeft, _search
from vfio_doctor.host.redaction.pseudonyms import Pseudonyms
from vfio_doctor.host.redaction.secret_forms import Secret

CLEAN = {"report.md": b"# host\n", "manifest.json": b"{}"}


@pytest.mark.parametrize(
    "held",
    [
        {"root/etc/a": b"of gwendolyn"},
        {"root/home/gwendolyn/a": b""},
        {"root/a%67wendolyn": b"", "root/b": b"x"},
        {"a.json": b'"\\u0067wendolyn"'},
        {"root/a": b"g\0w\0e\0n\0d\0o\0l\0y\0n\0"},
        {"root/a": b"\xff\xfeGWENDOLYN\xff"},
        {"report.md": b"by gwendolyn's hand"},
    ],
)
def test_a_value_that_is_left_is_refused(held: dict[str, bytes]) -> None:
    names = Pseudonyms([Secret("user", "gwendolyn")])
    with pytest.raises(PrivateLeft) as caught:
        _search({**CLEAN, **held}, {"report.md": b""}, names)
    assert "user in" in str(caught.value)
    assert "gwendolyn" not in str(caught.value).lower()


def test_words_of_our_own_are_no_leak_in_a_report() -> None:
    names = Pseudonyms([Secret("vm", "whoever"), Secret("user", "gwendolyn")])
    held = {**CLEAN, "report.md": b"This is whoever."}
    _search(held, {"report.md": b""}, names)
    with pytest.raises(PrivateLeft):
        _search({**held, "root/a": b"whoever"}, {"report.md": b""}, names)
