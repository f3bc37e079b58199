from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import hosts
from support.rows import for_each
from vfio_doctor.facts.boot import config as boot_config
from vfio_doctor.host.reader import Missing, Why

Files = Mapping[str, str | bytes | Missing]
GRUB = "/etc/default/grub"
DROP_IN = "/etc/default/grub.d/50-cloud.cfg"
KEY = "GRUB_CMDLINE_LINUX"

WORDS: list[tuple[str, tuple[str, ...]]] = [
    (f'{KEY}="a b"\n{KEY}_DEFAULT="c"\n', ("a", "b", "c")),
    (f"{KEY}_DEFAULT='c d'\n{KEY}=a\n", ("a", "c", "d")),
    (f'{KEY}="a \\"b c\\""\n', ("a", '"b c"')),
    (f'{KEY}=a\n{KEY}="${KEY} b"\n{KEY}+=" c"\n', ("a", "b", "c")),
    (f'# {KEY}="x"\n{KEY}="a" # {KEY}\n', ("a",)),
    (f'{KEY}="a"\n{KEY}_RECOVERY="single"\nX{KEY}=1\n', ("a",)),
    ("GRUB_DISTRIBUTOR=`( . /etc/os-release; echo $NAME ) || echo x`\n", ()),
    ("if true; then GRUB_TIMEOUT=1; fi\n", ()),
    ("", ()),
]


@for_each(("text", "words"), WORDS)
def test_grub(text: str, words: tuple[str, ...]) -> None:
    assert boot_config.grub_words(hosts.build({GRUB: text})) == words


@for_each(
    "text",
    [
        f'{KEY}="$(cat /x)"\n',
        f'{KEY}="$OTHER"\n',
        f'{KEY}="a"b\n',
        f'[ -e /x ] && {KEY}="a"\n',
        f'{KEY}="a"; {KEY}="b"\n',
        f'{KEY}="a"\nif x; then\n  {KEY}="b"\nfi\n',
        ". /etc/default/grub.local\n",
        'eval "$x"\n',
        f"unset {KEY}\n",
    ],
)
def test_grub_that_has_to_be_run(text: str) -> None:
    found = boot_config.grub_words(hosts.build({GRUB: text}))
    assert isinstance(found, Missing)
    assert found.why is Why.FAILED
    assert "without running it" in str(found.detail)


def test_drop_ins_come_after() -> None:
    cloud = f'{KEY}_DEFAULT="${KEY}_DEFAULT console=ttyS0"\n'
    host = hosts.build({GRUB: f'{KEY}_DEFAULT="quiet"\n', DROP_IN: cloud})
    assert boot_config.grub_words(host) == ("quiet", "console=ttyS0")
    assert boot_config.grub_files(host) == (GRUB, DROP_IN)
    host.capture.lists["/etc/default/grub.d"] = hosts.denied("/etc/default/grub.d")
    assert isinstance(boot_config.grub_words(host), Missing)
    assert boot_config.grub_files(host) == (GRUB,)


@given(st.lists(st.sampled_from([KEY, "=", '"', "'", "$", "a", "\n", "#", " ", "if"])))
def test_any_configuration_of_grub(parts: list[str]) -> None:
    found = boot_config.grub_words(hosts.build({GRUB: "".join(parts)}))
    assert isinstance(found, Missing | tuple)


CMDLINES: list[tuple[Files, tuple[str, ...], tuple[str, ...]]] = [
    ({"/etc/kernel/cmdline": "a b\n# c\n"}, ("a", "b"), ("/etc/kernel/cmdline",)),
    (
        {"/etc/cmdline.d/1.conf": "a\n", "/etc/cmdline.d/2.conf": "b\n"},
        ("a", "b"),
        ("/etc/cmdline.d/1.conf", "/etc/cmdline.d/2.conf"),
    ),
    ({"/usr/lib/kernel/cmdline": "a\n"}, ("a",), ("/usr/lib/kernel/cmdline",)),
]


@for_each(("files", "words", "paths"), CMDLINES)
def test_kernels_to_come(
    files: Files, words: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    assert boot_config.kernel_cmdline(hosts.build(files)) == (words, paths)


@pytest.mark.parametrize("path", ["/etc/kernel/cmdline", "/etc/cmdline.d/1.conf"])
def test_kernels_to_come_that_may_not_be_read(path: str) -> None:
    host = hosts.build({path: hosts.denied(path)}, {path: hosts.link("x")})
    found, source = boot_config.kernel_cmdline(host)
    assert isinstance(found, Missing)
    assert (found.why, source) == (Why.DENIED, (path,))
    closed = hosts.build({}, {path: hosts.denied(path)}, ["/etc/cmdline.d"])
    closed.capture.lists["/etc/cmdline.d"] = hosts.denied("/etc/cmdline.d")
    found, _ = boot_config.kernel_cmdline(closed)
    assert isinstance(found, Missing)
    assert found.why is Why.DENIED


LIMINE = "/etc/default/limine"
LIMINE_D = "/etc/limine-entry-tool.d/a.conf"


def test_limine() -> None:
    key = boot_config.LIMINE_KEY
    files = {LIMINE_D: f'{key}+="a"\n', LIMINE: f'{key}+=" b"\n'}
    found, source = boot_config.limine_configured(hosts.build(files))
    assert (found, source) == (("a", "b"), (LIMINE_D, LIMINE))
    assert boot_config.limine_files(hosts.build(files))[-1] == "/etc/default/limine"
    found, source = boot_config.limine_configured(hosts.build({}))
    assert isinstance(found, Missing)
    assert found.why is Why.ABSENT
    shut = hosts.build({}, {LIMINE: hosts.denied(LIMINE)})
    assert isinstance(boot_config.limine_configured(shut)[0], Missing)


@for_each(
    ("text", "words"),
    [
        ('{"user": {"kernel_options": ["a", "b=1"]}}', ("a", "b=1")),
        ('{"user": {"kernel_options": "a b=1"}}', ("a", "b=1")),
        ('{"user": {"kernel_options": 1}}', None),
        ('{"user": []}', None),
        ("{", None),
        ("[" * 100000, None),
    ],
)
def test_kernelstub(text: str, words: tuple[str, ...] | None) -> None:
    host = hosts.build({boot_config.KERNELSTUB: text})
    found = boot_config.kernelstub_words(host)
    assert found == words or isinstance(found, Missing)
    assert isinstance(boot_config.kernelstub_words(hosts.build({})), Missing)
