from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse.libvirt_conf import Value, parse

# It has comments inside of its list: libvirt's own reader refuses the whole file.
REFUSED = "guide-zh-inline-comment.conf"


def test_every_corpus_file() -> None:
    for record in corpus.records("qemu-conf/INDEX.jsonl"):
        conf = parse(corpus.text(f"qemu-conf/{record['id']}"))
        if record["id"] == REFUSED:
            assert conf.wrong_line == 2
            continue
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


@for_each(
    ("text", "values"),
    [
        ('user = "qemu"', {"user": "qemu"}),
        ("user='+0'# root", {"user": "+0"}),
        ("dynamic_ownership = 1\r\n", {"dynamic_ownership": 1}),
        ("n = -3", {"n": -3}),
        ('a = [ "x",\n 2 ,\n ] # y', {"a": ("x", "2")}),
        ("a = +5; b = 'c' ;", {"a": 5, "b": "c"}),
        ("a = []", {"a": ()}),
        ('a = """x\n"y" """', {"a": 'x\n"y" '}),
        ('user = "a"\nuser = "b"', {"user": "a"}),
        ("# only\n\n", {}),
    ],
)
def test_values(text: str, values: dict[str, Value]) -> None:
    conf = parse(text)
    assert conf.values == values
    assert conf.wrong_line == 0


@for_each(
    "text",
    [
        *("user", "user = qemu", 'user = "a', 'user = "a\n"', "= 1", 'a = ["x"'),
        *('a = ["x" "y"]', 'a = 1 "b"', 'a = """x', "a = [x]", "a = -"),
        *('a = [ "x", # y\n ]', "a-b = 1", "_a = 1", "a = [,]", "é = 1"),
    ],
)
def test_what_libvirt_refuses(text: str) -> None:
    conf = parse(f"first = 1\n{text}")
    assert conf.values == {"first": 1}
    assert conf.wrong_line == 2


def test_defaults_and_repetition() -> None:
    conf = parse(
        '#       user = "example"\n#user = "libvirt-qemu"\n#group = "kvm"\n'
        '#list = [\n#  "a",\n#  "b"\n#]\n#words that are none\n#open = [\n\n'
        "group = 1\ngroup = 2\nl = []\n"
    )
    defaults = {s.key: s.value for s in conf.defaults}
    assert defaults == {"user": "libvirt-qemu", "group": "kvm", "list": ("a", "b")}
    assert (conf.default("user"), conf.default("x")) == ("libvirt-qemu", "")
    assert conf.repeated == ("group",)
    assert (conf.text("group"), conf.text("l")) == ("1", "")
    assert [s.line for s in (*conf.settings, *conf.defaults)] == [11, 12, 13, 2, 3, 4]


@given(st.text(alphabet="ab=[]\"'#,\n\r\t 0-9é", max_size=60))
def test_never_raises(text: str) -> None:
    conf = parse(text)
    assert all(key for key in conf.values)
