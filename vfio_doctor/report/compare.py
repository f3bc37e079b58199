"""What differs between two hosts, or one host at two times."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.next_kernel import BOOTC_STATUS, RPM_OSTREE_STATUS
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import Told
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Report

ABSENT = "-"
THERE = say("compare-there", "there")
REPEATED = say("compare-there-again", "there, more than once")
NOT_KNOWN = say("compare-not-known", "not known")
NONE = say("compare-none", "none")
DEVICE = say("compare-device", "{ids}, driver {driver}, group {group}")
NOW, NEXT = "arguments now", "arguments at the next boot"
# What a report writes before the reason (docs/json.md).
UNKNOWN = "unknown: "
# A section that one side does not know is not compared.
Snapshot = dict[str, dict[str, Told]]


class Difference(NamedTuple):
    """One thing that is not the same; ``-`` stands for "not there"."""

    section: str
    name: str
    old: Told
    new: Told


def of_host(host: Reader, facts: Facts, report: Report) -> Snapshot:
    """Return all that is compared of a host."""
    from vfio_doctor.report import json

    shot = of_document(json.document(report))
    digest = _digest(host)
    if digest:
        shot["image"] = {"digest": digest}
    for section, words in _words(facts):
        shot[section] = words
    with suppress(MissingFact):
        shot["devices"] = {
            device.bdf: DEVICE.filled(
                ids=device.ids,
                driver=device.driver or NONE,
                group=NONE if device.group is None else device.group,
            )
            for device in facts[PciDevices].devices
        }
    return shot


def _words(facts: Facts) -> Iterator[tuple[str, dict[str, Told]]]:
    try:
        yield NOW, _counted(facts[KernelCmdline].line.words)
        following = facts[BootArguments].next
    except MissingFact:
        return
    if not isinstance(following, Missing):
        yield NEXT, _counted(following.words)


def _counted(words: tuple[str, ...]) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for word in words:
        found[word] = THERE if word not in found else REPEATED
    return found


def of_document(document: dict[str, Any]) -> Snapshot:
    """Return what of it a report (``--format json``) holds.

    Raises ValueError for JSON that is no report of vfio-doctor.
    """
    try:
        boot, host = document["boot"], document["host"]
        names = ("os", "image", "kernel", "machine", "cpu", "container", "user")
        shot: Snapshot = {
            "system": {name: _value(host, name) for name in names}
            | {
                "boot": _value(boot, "stack"),
                "doctor": str(document["tool"]["version"]),
            },
        }
        for section, name in ((NOW, "now"), (NEXT, "next")):
            words = _value(boot, name)
            if isinstance(words, str):
                shot[section] = _counted(tuple(words.split()))
        shot["verdicts"] = {str(c["id"]): str(c["status"]) for c in document["checks"]}
        return shot
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("neither a capture nor a report of vfio-doctor") from error


def is_redacted(document: dict[str, Any]) -> bool:
    """Tell whether a report says that only what is harmless is in it."""
    run = document.get("run")
    return isinstance(run, dict) and run.get("redacted") is True


def _value(part: dict[str, Any], name: str) -> Told:
    """Return a field of a report; why it is not known is not compared."""
    text = str(part[name])
    return NOT_KNOWN if text.startswith(UNKNOWN) else text


def differences(old: Snapshot, new: Snapshot) -> Iterator[Difference]:
    """Yield what differs, section by section, by name."""
    for section in old:
        before, after = old[section], new.get(section)
        for name in sorted(before | after) if after is not None else ():
            pair = before.get(name, ABSENT), (after or {}).get(name, ABSENT)
            if pair[0] != pair[1]:
                yield Difference(section, name, *pair)


def _digest(host: Reader) -> str:
    """Return the booted image's digest, or its commit; "" where none is known."""
    for argv in (RPM_OSTREE_STATUS, BOOTC_STATUS):
        answer = host.run(argv)
        if isinstance(answer, Missing) or answer.status != 0:
            continue
        found = _booted(answer.stdout)
        if found:
            return found
    return ""


def _booted(text: str) -> str:
    import json

    try:
        held = json.loads(text)
        if "deployments" in held:
            booted = next(d for d in held["deployments"] if d.get("booted"))
            digest = booted.get("container-image-reference-digest")
            return str(digest or booted.get("checksum") or "")
        return str(held["status"]["booted"]["image"]["imageDigest"])
    except (
        ValueError,
        LookupError,
        TypeError,
        StopIteration,
        AttributeError,
        RecursionError,
    ):
        return ""
