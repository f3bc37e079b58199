"""Read the interrupt controllers' names in ``/proc/interrupts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def chips(text: str) -> Iterator[str]:
    """Yield the controller of each numbered interrupt, lazily; never raises.

    The first line names the processors and so says how many counts stand
    before the controller (kernel/irq/proc.c, show_interrupts). A remapped
    interrupt's controller is called ``IR-…`` by VT-d and AMD-Vi alike.
    """
    head, _, _ = text.partition("\n")
    column = len(head.split()) + 1
    start = len(head) + 1
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        words = text[start:end].split(None, column + 1)
        start = end + 1
        if len(words) > column and words[0].rstrip(":").isdecimal():
            yield words[column]
