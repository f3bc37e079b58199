"""What coverage counts: what quick tests reach, in one run with the slow ones.

Tracing makes a test two to three times as long, and a Python that it starts three
times. A slow test costs much, and its first rows are quick tests of their own.
"""

from __future__ import annotations

import os
import posix
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# How coverage tells the Pythons that this one starts.
CHILDREN = "COVERAGE_PROCESS_CONFIG"


@contextmanager
def only_what_counts(item: pytest.Item) -> Iterator[None]:
    """Trace nothing of a slow test; without coverage, this changes nothing."""
    tracer = sys.gettrace()
    if tracer is None or item.get_closest_marker("slow") is None:
        yield
        return
    config, leave = os.environ.pop(CHILDREN, None), os._exit
    sys.settrace(None)
    # A forked child would write down once more what its parent has measured.
    os._exit = posix._exit
    try:
        yield
    finally:
        os._exit = leave
        if config is not None:
            os.environ[CHILDREN] = config
        sys.settrace(tracer)
