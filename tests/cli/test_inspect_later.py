"""``inspect`` and ``typing`` are imported when they are used, and nobody notices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.runs("python")
LATER = (
    "from vfio_doctor.__main__ import _cleandoc, _import_when_used as later\n"
    "later('inspect', cleandoc=_cleandoc)\n"
    "later('typing', TYPE_CHECKING=False); import sys\n"
)


@pytest.mark.parametrize(
    "code",
    [
        # What a from-import asks a module before it takes a name (Python 3.13: also
        # dataclasses, importlib.metadata).
        "from inspect import signature; assert signature(len).parameters",
        "import inspect; assert not hasattr(inspect, '__path__')",
        "import inspect; assert not hasattr(inspect, 'no_such_name')",
        "import dataclasses, inspect\n"
        "@dataclasses.dataclass\nclass A:\n    a: int\nassert A(1).a == 1",
        "import inspect; assert inspect.cleandoc(' a') == 'a'",
        "import inspect; assert inspect.cleandoc(' a\\n    b\\n    c') == 'a\\nb\\nc'",
        "import importlib.metadata; importlib.metadata.entry_points()",
        "from typing import NamedTuple\nclass A(NamedTuple):\n    a: int = 1\n"
        "assert A() == (1,)",
        "import typing; assert typing.get_type_hints(object) == {}",
        "import typing; assert not hasattr(typing, 'no_such_name')",
        "from typing import Any, TYPE_CHECKING; assert not TYPE_CHECKING",
    ],
)
def test_it_is_the_module_whoever_asks(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATER + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_it_waits() -> None:
    # Whatever runs at the start of this Python may have imported more than we do.
    code = "import sys; sys.modules.pop('inspect', None)\n" + LATER
    code += "import inspect; sys.exit('signature' in vars(inspect))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_a_fault_of_our_own_has_a_status_of_its_own() -> None:
    code = (
        "import sys\n"
        "from vfio_doctor import cli\n"
        "cli.cli.invoke = lambda ctx: 1 // 0\n"
        "sys.exit(cli.status([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 70, done
    assert "internal error: ZeroDivisionError" in done.stderr
