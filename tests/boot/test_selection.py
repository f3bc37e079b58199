import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.selection import choose
from vfio_doctor.facts.base import CannotFix, Facts

OSTREE = {"/run/ostree-booted": ""}
STACKS = [
    pytest.param({**OSTREE, "/usr/bin/rpm-ostree": ""}, "rpm-ostree", id="rpm-ostree"),
    pytest.param(
        {**OSTREE, "/usr/bin/rpm-ostree": "", "/usr/bin/bootc": ""},
        "rpm-ostree",
        id="both",
    ),
    pytest.param({"/etc/NIXOS": ""}, "NixOS", id="NixOS"),
    pytest.param({"/usr/bin/kernelstub": ""}, "kernelstub", id="kernelstub"),
    pytest.param({"/etc/default/limine": ""}, "limine", id="limine"),
    pytest.param(
        {"/usr/sbin/grubby": "", "/boot/loader/entries/a.conf": ""},
        "grubby",
        id="grubby",
    ),
    pytest.param(
        {"/etc/default/grub": "", "/boot/grub/grub.cfg": ""}, "GRUB", id="GRUB"
    ),
    pytest.param({"/boot/loader/loader.conf": ""}, "systemd-boot", id="systemd-boot"),
]


@for_each(("files", "name"), STACKS)
def test_choose(files: dict[str, str], name: str) -> None:
    host = hosts.build(files)
    assert choose(host, Facts(host)).name == name


def test_bootc_alone_has_to_be_new_enough() -> None:
    files = {**OSTREE, "/usr/bin/bootc": ""}
    versions = {
        ("bootc", "--version"): "bootc 1.16.9\n",
        ("ostree", "--version"): "libostree:\n Version: '2026.1'\n",
    }
    new = hosts.build(files, commands={a: hosts.ran(a, t) for a, t in versions.items()})
    assert choose(new, Facts(new)).name == "bootc"
    old = hosts.build(files)
    with pytest.raises(CannotFix, match=r"1\.15\.2"):
        choose(old, Facts(old))


def test_an_unknown_stack_is_not_guessed() -> None:
    host = hosts.build({"/proc/cmdline": "quiet"})
    backend = choose(host, Facts(host))
    with pytest.raises(CannotFix, match="not known.*to: quiet a$"):
        backend.steps(host, ArgumentEdit(("quiet",), ("quiet", "a")))


def test_a_container_sets_no_arguments() -> None:
    host = hosts.build({"/run/.containerenv": ""})
    with pytest.raises(CannotFix, match="podman"):
        choose(host, Facts(host))


@pytest.mark.parametrize(
    ("files", "snippet"),
    [
        ({"/etc/NIXOS": ""}, 'boot.kernelParams = [ "a=1" ]'),
        (
            {
                "/sys/firmware/efi/efivars/"
                "StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f": b"\x07\0\0\0"
                + "systemd-stub 257".encode("utf-16-le")
            },
            "/etc/kernel/cmdline",
        ),
    ],
)
def test_by_hand_means_the_exact_snippet(files: dict[str, str], snippet: str) -> None:
    host = hosts.build({**files, "/proc/cmdline": "quiet\n"})
    backend = choose(host, Facts(host))
    before = backend.read(host)
    assert before == ("quiet",)
    with pytest.raises(CannotFix) as refusal:
        backend.steps(host, ArgumentEdit(("quiet",), ("quiet", "a=1")))
    assert snippet in str(refusal.value)
