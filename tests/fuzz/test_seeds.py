"""The fixture hosts as the fuzzer's seeds, and what changes them, without it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples, on_hosts
from support.fixture_hosts import catalogue

HERE = Path(__file__).resolve().parent
SEEDS = sorted(catalogue.recipes())


def target() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_target", HERE / "target.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGET = target()


def text(seed: str) -> bytes:
    return catalogue.path(seed).read_bytes()


@pytest.mark.parametrize("seed", on_hosts(catalogue.names()))
def test_a_seed(seed: str) -> None:
    assert "manifest.json" in TARGET.members(text(seed))
    TARGET.one_input(text(seed))


@examples(60)
@given(
    st.sampled_from(SEEDS),
    st.integers(0, 1 << 16),
    st.one_of(
        st.binary(max_size=40), st.sampled_from([b"\x1b[2J", b"\0", b"\n=== a\n"])
    ),
    st.integers(0, 200),
)
def test_a_changed_seed(seed: str, at: int, data: bytes, gone: int) -> None:
    whole = text(seed)
    place = at % len(whole)
    TARGET.one_input(whole[:place] + data + whole[place + gone :])
