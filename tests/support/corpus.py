"""What real hosts said: ``tests/data``, or a larger folder of the same layout."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS = Path(__file__).resolve().parents[1] / "data"
FOLDER = Path(os.environ.get("VFIO_DOCTOR_CORPUS") or OURS)


def records(name: str) -> Iterator[dict[str, Any]]:
    """Yield the records of one ``.jsonl`` file."""
    with (FOLDER / name).open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def text(name: str) -> str:
    """Return one file."""
    return (FOLDER / name).read_text(encoding="utf-8")
