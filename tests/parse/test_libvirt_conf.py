from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from vfio_doctor.parse.libvirt_conf import Value, parse


def test_every_corpus_file() -> None:
    for record in corpus.records("qemu-conf/INDEX.jsonl"):
        conf = parse(corpus.text(f"qemu-conf/{record['id']}"))
        want = record["expected"]
        driver = (want["security_driver"] or "").strip('"')
        devices = want["cgroup_device_acl"]
        assert conf.wrong_line == 0, record["id"]
        assert conf.text("user") == (want["user"] or ""), record["id"]
        assert conf.text("group") == (want["group"] or ""), record["id"]
        assert conf.text("security_driver") == driver, record["id"]
        assert conf.values.get("cgroup_device_acl") == (
            tuple(devices) if devices is not None else None
        ), record["id"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('user = "qemu"', {"user": "qemu"}),
        ("user='+0'# root", {"user": "+0"}),
        ("dynamic_ownership = 1\r\n", {"dynamic_ownership": 1}),
        ("n = -3", {"n": -3}),
        ('a = [ "x", # y\n 2 ,\n ]', {"a": ("x", "2")}),
        ("a = []", {"a": ()}),
        ('a = """x\n"y" """', {"a": 'x\n"y" '}),
        ('user = "a"\nuser = "b"', {"user": "b"}),
        ("# only\n\n", {}),
    ],
)
def test_values(text: str, values: dict[str, Value]) -> None:
    conf = parse(text)
    assert conf.values == values
    assert conf.wrong_line == 0


@pytest.mark.parametrize(
    "text",
    [
        *("user", "user = qemu", 'user = "a', 'user = "a\n"', "= 1", 'a = ["x"'),
        *('a = ["x" "y"]', 'a = 1 "b"', 'a = """x', "a = [x]", "a = -"),
    ],
)
def test_what_libvirt_refuses(text: str) -> None:
    conf = parse(f"first = 1\n{text}")
    assert conf.values == {"first": 1}
    assert conf.wrong_line == 2


def test_defaults_and_repetition() -> None:
    conf = parse(
        '#       user = "example"\n#user = "libvirt-qemu"\n#group = "kvm"\n'
        '#list = [ "a" ]\n#words that are none\ngroup = 1\ngroup = 2\nl = []\n'
    )
    assert conf.defaults == {"user": "libvirt-qemu", "group": "kvm"}
    assert (conf.default("user"), conf.default("x")) == ("libvirt-qemu", "")
    assert conf.repeated == ("group",)
    assert (conf.text("group"), conf.text("l")) == ("2", "")


@given(st.text(alphabet="ab=[]\"'#,\n\r\t 0-9é", max_size=60))
def test_never_raises(text: str) -> None:
    conf = parse(text)
    assert all(key for key in conf.values)
