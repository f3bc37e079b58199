from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.effort import examples
from support.rows import for_each
from vfio_doctor.model import KernelArguments
from vfio_doctor.parse import bls, cmdline


@for_each(
    ("text", "words"),
    [
        ("", ()),
        ("  a\tb\n", ("a", "b")),
        ('a="b c" d', ('a="b c"', "d")),
        ('"a=b c" d', ('"a=b c"', "d")),
        ('a="b', ('a="b',)),
        ("a -- b", ("a", "--", "b")),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert cmdline.words(text) == words


@for_each(
    ("word", "key", "value"),
    [
        ("quiet", "quiet", None),
        ("a=", "a", ""),
        ("a=b=c", "a", "b=c"),
        ('a="b c"', "a", "b c"),
        ('"a=b c"', "a", "b c"),
        ('a="b', "a", "b"),
        ("=x", "=x", None),
        ("==x", "=", "x"),
        ('"a', "a", None),
        ('"a="b""', "a", 'b"'),
    ],
)
def test_argument(word: str, key: str, value: str | None) -> None:
    assert cmdline.argument(word) == cmdline.Argument(word, key, value)


def test_what_follows_the_dashes_is_inits() -> None:
    line = cmdline.parse("a=1 -- a=2 b")
    assert line.words == ("a=1",)
    assert line.init == ("a=2", "b")
    assert line.last("a") == "1"


def test_both_spellings_are_one_parameter_and_the_last_wins() -> None:
    line = cmdline.parse("vfio-pci.ids=1:1 vfio_pci.ids=2:2 kvm.ignore_msrs")
    assert line.values("vfio-pci.ids") == ("1:1", "2:2")
    assert line.last("vfio_pci.ids") == "2:2"
    assert line.last("kvm.ignore-msrs") == ""
    assert line.last("quiet") is None
    assert line.has("kvm.ignore_msrs")
    assert not line.has("kvm")


CHANGES = [
    pytest.param("a b", KernelArguments(set_=("c=1",)), "a b c=1", id="new"),
    pytest.param("a c=0 b", KernelArguments(set_=("c=1",)), "a c=1 b", id="in place"),
    pytest.param(
        "x-y.z=1 a x_y.z=2",
        KernelArguments(set_=("x_y.z=3",)),
        "x_y.z=3 a",
        id="both spellings",
    ),
    pytest.param(
        "a -- b", KernelArguments(set_=("c=1",)), "a c=1 -- b", id="before --"
    ),
    pytest.param(
        "a -- c=0",
        KernelArguments(remove=("c=0",)),
        "a -- c=0",
        id="init keeps its own",
    ),
    pytest.param("a=1 b a=1", KernelArguments(remove=("a=1",)), "b", id="remove"),
    pytest.param("a=12", KernelArguments(remove=("a=1",)), "a=12", id="exact"),
    pytest.param(
        "rd.driver.pre=a",
        KernelArguments(set_=("rd.driver.pre=b",)),
        "rd.driver.pre=a rd.driver.pre=b",
        id="accumulates",
    ),
    pytest.param(
        "intel_iommu=sm_on",
        KernelArguments(add_items=(("intel_iommu", "on"),)),
        "intel_iommu=sm_on,on",
        id="into a list",
    ),
    pytest.param(
        "a",
        KernelArguments(add_items=(("intel_iommu", "on"),)),
        "a intel_iommu=on",
        id="a list that is not there",
    ),
    pytest.param(
        "intel_iommu=off,sm_on x",
        KernelArguments(remove_items=(("intel_iommu", "off"),)),
        "intel_iommu=sm_on x",
        id="out of a list",
    ),
    pytest.param(
        'a="b c,d" "k=x y,z"',
        KernelArguments(
            add_items=(("a", "e"), ("k", "w")), remove_items=(("a", "d"), ("k", "z"))
        ),
        'a="b c,e" "k=x y,w"',
        id="quotes stay",
    ),
    pytest.param(
        "list=a list=b list=",
        KernelArguments(add_items=(("list", "c"),)),
        "list=a list=b list=c",
        id="the last word of a list wins",
    ),
    pytest.param(
        'k=1 "--" k=0',
        KernelArguments(set_=("k=2",), remove=("k=0",)),
        'k=2 "--" k=0',
        id="quoted dashes end it too",
    ),
    pytest.param(
        "a=1 b=x",
        KernelArguments(
            set_=("a=1",),
            remove=("a=1", "b=x"),
            add_items=(("b", "x"),),
            remove_items=(("b", "x"),),
        ),
        "a=1 b=x",
        id="wanted beats unwanted",
    ),
    pytest.param(
        "module_blacklist=a",
        KernelArguments(set_=("module_blacklist=b",)),
        "module_blacklist=b",
        id="the kernel takes the last",
    ),
    pytest.param(
        "iommu=off x",
        KernelArguments(
            remove_items=(("iommu", "off"),), add_items=(("intel_iommu", "on"),)
        ),
        "x intel_iommu=on",
        id="the last item takes the word along",
    ),
]


@for_each(("before", "change", "after"), CHANGES)
def test_apply(before: str, change: KernelArguments, after: str) -> None:
    once = cmdline.apply(cmdline.words(before), change)
    assert cmdline.join(once) == after
    assert cmdline.apply(once, change) == once


plain = st.text("abcxyz_-.=,0129", min_size=1, max_size=9).filter(lambda w: w != "--")
lines = st.lists(st.one_of(plain, st.just("--")), max_size=8).map(tuple)
keys = st.sampled_from(["k.set", "k-x.set", "iommu"])
changes = st.builds(
    KernelArguments,
    set_=keys.map(lambda key: (f"{key}=1",)),
    remove=st.lists(plain, max_size=2).map(tuple),
    add_items=st.just((("list", "on"),)),
    remove_items=st.just((("list", "off"),)),
)


@examples(200)
@given(st.text())
def test_parsing_never_raises_and_keeps_every_word(text: str) -> None:
    words = cmdline.words(text)
    assert cmdline.words(cmdline.join(words)) == words
    line = cmdline.parse(text)
    assert len(line.words) + len(line.init) <= len(words)


@examples(200)
@given(lines, changes)
def test_applying_twice_is_applying_once(
    line: tuple[str, ...], change: KernelArguments
) -> None:
    once = cmdline.apply(line, change)
    assert cmdline.apply(once, change) == once


@examples(200)
@given(lines, changes)
def test_nothing_else_moves(line: tuple[str, ...], change: KernelArguments) -> None:
    touched = {cmdline.plain(word.partition("=")[0]) for word in change.set_}
    touched |= {"list"}

    def others(words: tuple[str, ...]) -> list[str]:
        cut = words.index("--") if "--" in words else len(words)
        kernel = [
            word
            for word in words[:cut]
            if cmdline.plain(cmdline.argument(word).key) not in touched
            and word not in change.remove
        ]
        return [*kernel, *words[cut:]]

    assert others(cmdline.apply(line, change)) == others(line)


@for_each("record", [*corpus.records("cmdline.jsonl")], ids=lambda r: r["id"])
def test_real_command_lines(record: dict[str, Any]) -> None:
    line = cmdline.parse(record["cmdline"])
    expected = record["expected"]
    ids = line.last("vfio-pci.ids")
    assert (ids.split(",") if ids else []) == expected["vfio_ids"]
    assert ("pt" in line.values("iommu")) == expected["pt"]
    if expected.get("intel_iommu"):
        assert expected["intel_iommu"] in line.values("intel_iommu")
    if expected.get("amd_iommu"):
        assert line.last("amd_iommu") == expected["amd_iommu"].split()[0]
    if "kvmfr_static_size_mb" in expected:
        sizes = (line.last("kvmfr.static_size_mb") or "").split(",")
        assert [int(size) for size in sizes] == expected["kvmfr_static_size_mb"]
    if "stateroot" in expected:
        assert (line.last("ostree") or "").split("/")[3] == expected["stateroot"]
    assert ("iommu-off" in expected["problems"]) == ("off" in line.values("amd_iommu"))


def test_boot_entry_fields() -> None:
    text = "# c\ntitle  A  B\n\noptions a b\noptions c\nlinux\t/vmlinuz\nempty\n"
    assert bls.fields(text) == (
        ("title", "A  B"),
        ("options", "a b"),
        ("options", "c"),
        ("linux", "/vmlinuz"),
    )
    assert bls.options(text) == "a b c"


@given(st.text())
def test_boot_entries_never_raise(text: str) -> None:
    bls.fields(text)


@for_each(
    "name", ["fcos42-ostree-1.conf", "fcos42-ostree-2.conf", "oracle-ock-ostree-1.conf"]
)
def test_real_boot_entries(name: str) -> None:
    expected = {r["id"]: r["expected"] for r in corpus.records("bls/INDEX.jsonl")}
    fields = dict(bls.fields(corpus.text(f"bls/{name}")))
    assert fields["version"] == expected[name]["version"]
    assert cmdline.parse(fields["options"]).has("ostree")
