"""Real boot tools on trees of their own: mounted over, in a namespace of their own.

Nothing of this machine's ``/etc`` or ``/boot`` is written: both are covered by
folders of the test before the tool starts, in a mount namespace that ends with it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support import hosts
from support.effort import mostly_slow
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.grub import Grub
from vfio_doctor.boot.kernel_cmdline import edited_words
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import FileStep, KernelArguments
from vfio_doctor.parse import cmdline, grub

SCRIPT = """#!/bin/sh
echo "menuentry 'x' {"
echo "  linux /vmlinuz root=x ro ${GRUB_CMDLINE_LINUX} ${GRUB_CMDLINE_LINUX_DEFAULT}"
echo "}"
"""
WANTED = KernelArguments(set_=("kvm.report_ignored_msrs=0",), remove=("iommu=off",))


pytestmark = pytest.mark.needs_root


@pytest.fixture(autouse=True)
def namespaces() -> None:
    call = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(call, capture_output=True, check=False).returncode:
        pytest.skip("needs mount namespaces, which this machine refuses")


def covered(covers: dict[Path, str], call: str) -> str:
    """Run a shell line where our folders and files cover the machine's."""
    mounts = [f"mount --bind {ours} {theirs}" for ours, theirs in covers.items()]
    script = "\n".join(["set -e", *mounts, call])
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def menu_words(folder: Path, files: dict[str, bytes]) -> tuple[str, ...]:
    """The words that the real grub-mkconfig writes for these settings."""
    for name in ("default", "grub.d", "boot"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "default/grub.d").mkdir(exist_ok=True)
    for path, data in files.items():
        (folder / path.removeprefix("/etc/")).write_bytes(data)
    (folder / "grub.d/10_x").write_text(SCRIPT)
    (folder / "grub.d/10_x").chmod(0o755)
    probe = folder / "grub-probe"
    probe.write_text("#!/bin/sh\necho ext2\n")
    probe.chmod(0o755)
    covers = {
        folder / "default": "/etc/default",
        folder / "grub.d": "/etc/grub.d",
        folder / "boot": "/boot",
        probe: "/usr/sbin/grub-probe",
    }
    covered(covers, "grub-mkconfig -o /boot/grub.cfg")
    (entry,) = grub.menu((folder / "boot/grub.cfg").read_text())
    return entry.words[2:]


SETTINGS = [
    b'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=off"\nGRUB_CMDLINE_LINUX=""\n',
    b"GRUB_CMDLINE_LINUX_DEFAULT='quiet'\nGRUB_CMDLINE_LINUX='iommu=off a=1,2'\n",
    b"  GRUB_CMDLINE_LINUX_DEFAULT=quiet\n",
    b'#GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
    b'GRUB_CMDLINE_LINUX_DEFAULT=""',
    b'GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX b"\n',
    b'export GRUB_CMDLINE_LINUX_DEFAULT="quiet splash \\\n  iommu=off"\n',
]


@pytest.mark.needs_tool("unshare", "grub-mkconfig")
@pytest.mark.runs("unshare")
@pytest.mark.parametrize("before", mostly_slow(SETTINGS, 4))
def test_grub_mkconfig_writes_what_was_planned(tmp_path: Path, before: bytes) -> None:
    path = "/etc/default/grub"
    host = hosts.build({path: before, "/usr/sbin/update-grub": ""})
    words = Grub().read(host)
    if isinstance(words, Missing):
        pytest.fail(str(words))
    assert menu_words(tmp_path, {path: before}) == words
    edit = ArgumentEdit(words, cmdline.apply(words, WANTED))
    steps = Grub().steps(host, edit)
    (file,) = [step for step in steps if isinstance(step, FileStep)]
    assert file.after is not None
    found = menu_words(tmp_path, {path: file.after})
    assert sorted(found) == sorted(edit.after)
    assert menu_words(tmp_path, {path: before}) == words


@pytest.mark.needs_tool("unshare", "grub-mkconfig")
@pytest.mark.runs("unshare")
def test_grub_drop_ins_count_as_grub_mkconfig_reads_them(tmp_path: Path) -> None:
    drop_in = b'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX iommu=off"\n'
    files = {
        "/etc/default/grub": b'GRUB_CMDLINE_LINUX="a"\n',
        "/etc/default/grub.d/50-x.cfg": drop_in,
    }
    host = hosts.build({**files, "/usr/sbin/update-grub": ""})
    words = Grub().read(host)
    assert words == ("a", "iommu=off")
    assert menu_words(tmp_path, files) == words
    edit = ArgumentEdit(words, cmdline.apply(words, WANTED))
    steps = Grub().steps(host, edit)
    files |= {s.path: s.after or b"" for s in steps if isinstance(s, FileStep)}
    assert sorted(menu_words(tmp_path, files)) == sorted(edit.after)


# What scripts print, and how grub-mkconfig ends: a menu that parses is good enough.
LOST = {
    "nothing": ("#!/bin/sh\n", 1),
    "garbage": ("#!/bin/sh\nhead -c 64 /dev/urandom | od\n", 0),
    "no entry": ("#!/bin/sh\necho set timeout=5\n", 0),
    "no kernel": (
        "#!/bin/sh\necho \"menuentry 'x' {\"; echo 'set root=x'; echo '}'\n",
        0,
    ),
}


@pytest.mark.needs_tool("unshare", "grub-mkconfig")
@pytest.mark.runs("unshare")
@pytest.mark.parametrize("case", list(LOST))
def test_a_menu_that_grub_mkconfig_has_lost_cannot_be_read(
    tmp_path: Path, case: str
) -> None:
    """Where it exits 0 with such a menu, `repair.session` goes back."""
    settings, (script, status) = b'GRUB_CMDLINE_LINUX="quiet"\n', LOST[case]
    assert "quiet" in menu_words(tmp_path, {"/etc/default/grub": settings})
    (tmp_path / "grub.d/10_x").write_text(script)
    covers = {
        tmp_path / "default": "/etc/default",
        tmp_path / "grub.d": "/etc/grub.d",
        tmp_path / "boot": "/boot",
        tmp_path / "grub-probe": "/usr/sbin/grub-probe",
    }
    told = covered(covers, "grub-mkconfig -o /boot/grub.cfg || echo ended with $?")
    assert ("ended with 1" in told) == (status == 1)
    old = (tmp_path / "boot/grub.cfg").read_text()
    files: dict[str, str | bytes | Missing] = {
        "/etc/default/grub": settings,
        "/usr/sbin/update-grub": "",
        "/boot/grub/grub.cfg": old,
    }
    host = hosts.build(files)
    found = Grub().menu(host)
    # A menu that does not parse is not put in the old one's place.
    assert isinstance(found, Missing) == (status == 0)


@pytest.mark.needs_tool("unshare", "kernel-install")
@pytest.mark.runs("unshare")
@pytest.mark.parametrize("line", ["root=x ro iommu=off\n", "iommu=off  root=x\tro"])
def test_kernel_install_gives_new_kernels_what_was_planned(
    tmp_path: Path, line: str
) -> None:
    before = cmdline.words(line)
    edit = ArgumentEdit(before, cmdline.apply(before, WANTED))
    etc, boot = tmp_path / "kernel", tmp_path / "boot"
    machine = "0123456789abcdef0123456789abcdef"
    for folder in (etc, boot / machine, boot / "loader/entries"):
        folder.mkdir(parents=True)
    (etc / "cmdline").write_text(edited_words(line, edit))
    (etc / "install.conf").write_text("layout=bls\n")
    (tmp_path / "machine-id").write_text(f"{machine}\n")
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    (tmp_path / "install.d").mkdir()
    plugin = Path("/usr/lib/kernel/install.d/90-loaderentry.install")
    if not plugin.exists():
        pytest.skip("needs kernel-install's plug-in for boot entries")
    shutil.copy(plugin, tmp_path / "install.d")
    covers = {
        etc: "/etc/kernel",
        boot: "/boot",
        tmp_path / "machine-id": "/etc/machine-id",
        tmp_path / "install.d": "/usr/lib/kernel/install.d",
    }
    (tmp_path / "machine-info").touch()
    covered(covers, f"kernel-install add 6.1.0-test {tmp_path}/vmlinuz")
    (entry,) = (boot / "loader/entries").glob("*.conf")
    options = next(
        row.split()[1:]
        for row in entry.read_text().splitlines()
        if row.startswith("options")
    )
    assert sorted(options) == sorted((*edit.after, f"systemd.machine_id={machine}"))
