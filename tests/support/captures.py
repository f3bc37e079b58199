"""Captures of all kinds, for property tests."""

from __future__ import annotations

import os

from hypothesis import strategies as st

from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import (
    AclEntry,
    Caller,
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
    Why,
)

TEXT = st.text(max_size=8)
NUMBER = st.integers(-1, 1 << 40)
# Whatever os.fsdecode may return, and odd ones: doubled slashes, parents, dots.
PATH = st.one_of(
    st.binary(max_size=12).map(lambda b: "/" + os.fsdecode(b)),
    st.lists(st.sampled_from(["a", "b", "..", ".", "", "x" * 255]), max_size=5).map(
        lambda parts: "/" + "/".join(parts)
    ),
    TEXT,
)


def or_missing(
    value: st.SearchStrategy[object],
) -> st.SearchStrategy[object]:
    return value | st.builds(Missing, st.just(""), st.sampled_from(Why), TEXT)


STAT = st.builds(
    Stat,
    st.sampled_from(Kind),
    st.integers(0, 0o7777),
    NUMBER,
    NUMBER,
    TEXT,
    TEXT,
    st.tuples(NUMBER, NUMBER),
    NUMBER,
    NUMBER,
    TEXT,
    TEXT,
    st.lists(st.builds(AclEntry, TEXT, NUMBER, NUMBER), max_size=2).map(tuple),
)
DEVICE = st.builds(
    UdevDevice,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    st.lists(TEXT, max_size=3).map(tuple),
    st.booleans(),
)
ARGV = st.lists(TEXT, max_size=3).map(tuple)


def sourced(held: dict[object, object], form: str) -> dict[object, object]:
    """Name in each `Missing` what was asked, as readers do."""
    return {
        key: value._replace(
            source=form.format(*key) if isinstance(key, tuple) else form.format(key)
        )
        if isinstance(value, Missing)
        else value
        for key, value in held.items()
    }


@st.composite
def captures(draw: st.DrawFn) -> Capture:
    def table(keys: object, values: object) -> dict[object, object]:
        return draw(st.dictionaries(keys, or_missing(values), max_size=4))  # type: ignore[arg-type]

    commands: dict[tuple[str, ...], CommandResult | Missing] = {}
    for argv in draw(st.lists(ARGV, max_size=3)):
        commands[argv] = draw(
            st.builds(CommandResult, st.just(argv), NUMBER, TEXT, TEXT)
            | st.builds(Missing, st.just(" ".join(argv)), st.sampled_from(Why), TEXT)
        )
    probes = table(
        st.tuples(TEXT, TEXT),
        st.builds(
            ProbeResult,
            st.just(""),
            ARGV,
            st.lists(st.tuples(TEXT, NUMBER), max_size=2).map(tuple),
            TEXT,
        ),
    )
    named = {
        key: value._replace(name=key[0]) if isinstance(value, ProbeResult) else value  # type: ignore[index]
        for key, value in probes.items()
    }
    return Capture(
        "name",
        Caller(draw(NUMBER), draw(NUMBER), draw(NUMBER)),
        sourced(table(PATH, st.binary(max_size=20)), "{0}"),  # type: ignore[arg-type]
        sourced(table(PATH, STAT), "{0}"),  # type: ignore[arg-type]
        sourced(table(PATH, ARGV), "{0}"),  # type: ignore[arg-type]
        commands,
        sourced(
            table(
                st.sampled_from(["pci", "drm", "x-y_z"]),
                st.lists(DEVICE, max_size=2).map(tuple),
            ),
            "udev subsystem {0}",
        ),  # type: ignore[arg-type]
        sourced(named, "probe {0} of {1}"),  # type: ignore[arg-type]
        {"modelled_on": draw(TEXT), "redacted": draw(st.booleans())},
    )


def same(one: Capture, other: Capture) -> bool:
    kept = {key: other.manifest.get(key) for key in one.manifest}
    return one == other._replace(name=one.name, manifest=kept)
