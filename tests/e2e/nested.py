"""A virtual machine inside a guest: does a card that was given away really open?"""

from __future__ import annotations

import json
from typing import NamedTuple

from e2e.vm import Machine

ASKED = ("qmp_capabilities", "query-pci", "quit")
# -S: its processor never runs.
QEMU = (
    "timeout 300 qemu-system-x86_64 -S -machine q35,accel=tcg -m 64 -nodefaults"
    " -display none -qmp stdio"
)


class Opened(NamedTuple):
    """The ids of all functions of the machine in the guest, or why there is none."""

    ids: list[str]
    refused: str


def opened(guest: Machine, *addresses: str) -> Opened:
    """Start QEMU with functions of the guest; it is made, and never runs."""
    words = " ".join(f"-device vfio-pci,host={bdf}" for bdf in addresses)
    lines = "".join(json.dumps({"execute": one}) + "\n" for one in ASKED)
    guest.put("/run/asked", lines)
    done = guest.run("sh", "-c", f"{QEMU} {words} < /run/asked", limit=400)
    if done.status:
        return Opened([], done.stderr)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    (buses,) = [one["return"] for one in answers if isinstance(one.get("return"), list)]
    ids = [device["id"] for bus in buses for device in bus["devices"]]
    return Opened([f"{one['vendor']:04x}:{one['device']:04x}" for one in ids], "")
