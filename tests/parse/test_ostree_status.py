import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse import ostree

# bootc-v1alpha1-stream9.json: the record's text is redacted, what it expects is not.
REDACTED = ("192.168.124.1:5000", "192.0.2.10:5000")
MACHINE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["deployments", "status", "booted", "staged", "image", "x"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


def records() -> list[Any]:
    found = corpus.records("ostree-status/INDEX.jsonl")
    return [pytest.param(record, id=record["id"]) for record in found]


@for_each("record", records())
def test_corpus(record: dict[str, Any]) -> None:
    text = corpus.text(f"ostree-status/{record['id']}")
    expected = record["expected"]
    match record["kind"]:
        case "rpm-ostree status --json":
            check_rpm_ostree(ostree.rpm_ostree_status(text), expected)
        case "bootc status --json":
            check_bootc(ostree.bootc_status(text), expected)
        case _:
            # Text for people: the doctor asks for JSON, and this is none.
            assert ostree.rpm_ostree_status(text) is None
            assert ostree.bootc_status(text) is None


def check_rpm_ostree(
    found: tuple[ostree.Deployment, ...] | None, expected: dict[str, Any]
) -> None:
    assert found is not None
    assert [one.booted for one in found].index(True) == expected["booted_index"]
    for one, said in zip(found, expected["deployments"], strict=True):
        assert (one.stateroot, one.booted, one.staged) == (
            said["osname"],
            said["booted"],
            bool(said["staged"]),
        )
        assert one.version == (said["version"] or "")
        assert one.image == (said["image"] or "")
        assert one.pinned == said["pinned"]
        assert one.folder.startswith(f"/ostree/deploy/{said['osname']}/deploy/")
    assert (not found[0].booted) == expected["pending_first"]


def check_bootc(found: ostree.BootcStatus | None, expected: dict[str, Any]) -> None:
    assert found is not None
    for slot in ("booted", "staged", "rollback"):
        held = getattr(found, slot)
        image = (held.image if held else "").replace(*REDACTED)
        assert image == (expected[f"{slot}_image"] or "").replace(*REDACTED)
    assert (found.booted is not None) == expected["booted_present"]
    assert found.incompatible == bool(expected["incompatible"])
    assert found.rollback_queued == bool(expected["rollbackQueued"])


@for_each("text", ["", "[]", "{", '{"deployments": 1}', "[" * 100000])
def test_no_status(text: str) -> None:
    assert ostree.rpm_ostree_status(text) is None
    assert ostree.bootc_status(text) is None


def test_sealed_image() -> None:
    status = {"status": {"booted": {"composefs": {"bootType": "Uki"}}}}
    found = ostree.bootc_status(json.dumps(status))
    assert found is not None
    assert found.sealed


@for_each(("stateroot", "checksum"), [("", "a"), ("a", ""), ("..", "a"), ("a/b", "c")])
def test_names_are_no_paths(stateroot: str, checksum: str) -> None:
    assert not ostree.Deployment(stateroot, checksum, 0, True, False).folder


@given(MACHINE)
def test_any_json(value: object) -> None:
    text = json.dumps(value)
    ostree.rpm_ostree_status(text)
    ostree.bootc_status(text)
