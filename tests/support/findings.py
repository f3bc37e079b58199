"""Findings that tests make themselves: a place by its text, and a word."""

from __future__ import annotations

from vfio_doctor.messages import verbatim
from vfio_doctor.model import Finding
from vfio_doctor.places import FilePlace, HostPlace, ModulePlace, NodePlace, Place


def finding(subject: str = "host", text: str = "bad") -> Finding:
    """A finding at the place that reports show as ``subject``."""
    return Finding(place(subject), verbatim(text))


def place(subject: str) -> Place:
    if subject == "host":
        return HostPlace()
    if subject.startswith("/dev/"):
        return NodePlace(subject)
    path, colon, line = subject.rpartition(":")
    if colon and line.isdigit():
        return FilePlace(path, int(line))
    return FilePlace(subject) if subject.startswith("/") else ModulePlace(subject)
