"""Another language for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vfio_doctor.language import load, speak, tell_gettext


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Have all inside said in a language that has a catalogue; English afterwards."""
    catalogue = load(language)
    assert catalogue is not None, language
    speak(catalogue)
    # As `choose` does; in English it finds nothing else than click would.
    tell_gettext()
    try:
        yield
    finally:
        speak(None)
