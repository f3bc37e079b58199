"""Real host data, read in place; loudly skipped where the folder is absent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "../shared/corpus"


def require() -> Path:
    """Return the folder; skip the test where it is absent, fail it in CI."""
    if FOLDER.is_dir():
        return FOLDER.resolve()
    text = f"SKIPPED: the corpus is not at {FOLDER}; real host data is NOT tested"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def records(name: str) -> Iterator[dict[str, Any]]:
    """Yield the records of one ``.jsonl`` file."""
    with (require() / name).open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def text(name: str) -> str:
    """Return one file of the corpus."""
    return (require() / name).read_text(encoding="utf-8")
