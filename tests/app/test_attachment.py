"""A bug report: nothing private in it, and the same verdicts."""

from __future__ import annotations

import functools
import io

import pytest

from support.effort import QUICK
from support.fixture_hosts import catalogue
from support.planted import SECRETS, planted
from support.rows import for_each
from vfio_doctor.app.attachment import Attachment, build, pages
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load as registry
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.archive import read_stream
from vfio_doctor.host.capture_io import load
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import RunInfo

# Every host is redacted and packed in tests/host/redaction/test_same_verdicts.py.
SOME = catalogue.names()[::QUICK]
RUN = RunInfo("2025-01-01T00:00:00Z", 0, "the captured host")


def verdicts(host: CapturedHost) -> dict[str, str]:
    return {r.id: r.status.value for r in diagnose(Facts(host), registry())}


def reported(host: CapturedHost, redacted: bool = True) -> Attachment:
    return build(host, registry(), Options(), RUN, redacted)


@functools.cache
def full(name: str) -> tuple[Attachment, bytes]:
    """Return a bug report of the planted host and every byte of it, unpacked."""
    made = reported(planted(name))
    held = read_stream("it", io.BytesIO(made.data))
    text = b"\n".join(
        part for pair in held.items() for part in (pair[0].encode(), pair[1])
    )
    return made, text + text.replace(b"\0", b"") + made.data


def opened(made: Attachment) -> CapturedHost:
    return CapturedHost(load(io.BytesIO(made.data), "it"))


def test_there_are_enough_of_them() -> None:
    assert len(SECRETS) >= 60
    assert len(set(SECRETS.values())) == len(SECRETS)


@for_each("kind", SECRETS)
def test_no_byte_tells(kind: str) -> None:
    text = full("healthy-bazzite")[1].lower()
    secret = SECRETS[kind]
    for form in (
        secret,
        secret.replace(" ", "\\x20"),
        secret.replace("-", "\\x2d"),
        secret.replace(":", "").replace("-", "") if len(secret) in (17, 36) else secret,
        secret.encode("unicode_escape").decode(),
    ):
        assert form.lower().encode() not in text


# The others are written in another way.
AS_THEY_ARE = sorted(SECRETS.keys() - {"uuid-joined", "full-name-accents"})


@for_each("kind", AS_THEY_ARE)
def test_without_redaction_it_is_all_there(kind: str) -> None:
    made = whole()
    assert SECRETS[kind].encode() in made or SECRETS[kind].encode("utf-16-le") in made


@functools.cache
def whole() -> bytes:
    held = read_stream(
        "it", io.BytesIO(reported(planted("healthy-bazzite"), False).data)
    )
    return b"\n".join(held.values()).replace(b"%", b"%")


@pytest.mark.parametrize("name", SOME)
def test_the_same_verdicts(name: str) -> None:
    host = catalogue.host(name)
    made = reported(host)
    assert verdicts(opened(made)) == verdicts(host)
    assert made.changed == ()


@pytest.mark.parametrize("name", SOME)
def test_the_same_verdicts_with_secrets_everywhere(name: str) -> None:
    host = planted(name)
    made = reported(host)
    assert verdicts(opened(made)) == verdicts(host)
    assert made.changed == ()


@for_each(
    "text",
    [
        "0000:00:01.1",
        "6.14.6-105.bazzite.fc42.x86_64",
        "550.54.14",
        "libvirt",
        '"uid": 1004',
        "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        "kvmfr",
        "kvmfr.static_size_mb=128",
    ],
)
def test_what_a_diagnosis_needs_survives(text: str) -> None:
    assert text.encode() in full("healthy-bazzite")[1]


def test_a_second_redaction_keeps_the_stand_ins() -> None:
    first = full("healthy-bazzite")[0]
    second = reported(opened(first))
    for path in ("/etc/passwd", "/etc/group", "/proc/cmdline", "/etc/os-release"):
        kept = opened(first).capture.files[path]
        assert opened(second).capture.files[path] == kept


def test_what_is_hidden_and_left_out_is_counted() -> None:
    made = full("healthy-bazzite")[0]
    kinds = {kind for kind, _, _ in made.hidden}
    assert {"user", "host", "vm", "hidden", "uuid"} <= kinds
    assert dict(made.left_out)["file of no known format"] >= 3
    readme = read_stream("it", io.BytesIO(made.data))["README.txt"].decode()
    assert "Left out:" in readme
    assert all(f"  {kind}: " in readme for kind in kinds)


def test_all_of_it_can_be_read_page_by_page() -> None:
    made = full("healthy-bazzite")[0]
    text = "".join(pages(made.data))
    assert text.startswith("===== report.md\n### Describe the bug\n")
    for name, _ in made.members:
        assert f"===== {name}\n" in text
    assert "kvmfr.static_size_mb=128" in text


def test_it_is_small() -> None:
    assert len(full("healthy-bazzite")[0].data) < 1 << 20


def test_the_issue_has_what_upstream_asks_for() -> None:
    text = full("healthy-bazzite")[1].decode("utf-8", "replace")
    for words in ("Host GPU and driver", "Guest GPU", "Client output", "Groups of the"):
        assert words in text


def test_a_broken_plug_in_is_counted_and_not_named() -> None:
    rules = registry()._replace(problems=("acme-rules: /home/alice/x.py: no",))
    made = build(catalogue.host(SOME[0]), rules, Options(), RUN, redacted=True)
    assert len(made.report.tool.problems) == 1
    assert "acme" not in "".join(pages(made.data))
