"""The saved seeds, and what changes them, without the fuzzer."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples

HERE = Path(__file__).resolve().parent
SEEDS = sorted((HERE / "seeds").iterdir())


def target() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_target", HERE / "target.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGET = target()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.name)
def test_a_seed(seed: Path) -> None:
    assert "proc/cmdline" in "".join(TARGET.members(seed.read_bytes()))
    TARGET.one_input(seed.read_bytes())


@examples(60)
@given(
    st.sampled_from(SEEDS),
    st.integers(0, 1 << 16),
    st.one_of(
        st.binary(max_size=40), st.sampled_from([b"\x1b[2J", b"\0", b"\n=== a\n"])
    ),
    st.integers(0, 200),
)
def test_a_changed_seed(seed: Path, at: int, data: bytes, gone: int) -> None:
    whole = seed.read_bytes()
    place = at % len(whole)
    TARGET.one_input(whole[:place] + data + whole[place + gone :])
