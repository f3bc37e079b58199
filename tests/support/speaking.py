"""Another language for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vfio_doctor.language import load, speak


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Have all inside said in a language that has a catalogue; English afterwards."""
    catalogue = load(language)
    assert catalogue is not None, language
    speak(catalogue)
    try:
        yield
    finally:
        speak(None)
