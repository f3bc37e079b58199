"""The record of groups is read as it is written, and nothing else is believed."""

from __future__ import annotations

from support.rows import for_each
from vfio_doctor.parse.recorded_groups import RecordedGroup, parse

CARD = RecordedGroup("0000:08:00.0", "10de:2482", 11, ("0000:08:00.0", "0000:08:00.1"))
NO_GROUP = RecordedGroup("0000:01:00.0", "10de:1b80", None, ())


def test_there_and_back() -> None:
    assert parse(f"{CARD.line}\n{NO_GROUP.line}\n") == (CARD, NO_GROUP)


def test_the_last_line_of_an_address_counts() -> None:
    later = CARD._replace(group=12)
    assert parse(f"{CARD.line}\n{later.line}\n") == (later,)


@for_each(
    "line",
    [
        "",
        "# a comment",
        "0000:08:00.0 10de:2482 11",
        "0000:08:00.0 10de:2482 eleven 0000:08:00.0",
        "0000:08:00.0 10de:2482 - 0000:08:00.0",
        "0000:08:00.0 10de:2482 11 everything",
        "card 10de:2482 11 0000:08:00.0",
    ],
)
def test_other_lines_are_left_out(line: str) -> None:
    assert parse(f"{line}\n") == ()
