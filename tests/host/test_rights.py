"""Root reads and writes where somebody else can write: with their rights."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from vfio_doctor.app.attachment import build
from vfio_doctor.app.new_file import NewFile, write_device
from vfio_doctor.diagnosis.registry import load as rules
from vfio_doctor.facts.base import Options
from vfio_doctor.host import rights
from vfio_doctor.host.archive import read_stream
from vfio_doctor.host.capture_io import CaptureError, load, save
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import RunInfo

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has root's rights")

ALICE = 4242
SECRET = "kvmfr vfio kvm: only root may read this"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree() -> Iterator[Path]:
    """A folder that everybody may pass through, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="rights-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def put(path: Path, text: str, mode: int = 0o644, owner: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


def give(path: Path, owner: int = ALICE) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, owner)


def test_a_link_in_a_home_leads_to_nothing_of_roots(tree: Path) -> None:
    put(tree / "root/secret", SECRET, 0o600)
    give(tree / "home/alice")
    put(tree / "home/alice/own", "mine", 0o600, ALICE)
    (tree / "home/alice/it").symlink_to("/root/secret")
    (tree / "home/alice/good").symlink_to("own")
    host = LiveHost(str(tree))
    missing = host.read_bytes("/home/alice/it")
    assert isinstance(missing, Missing)
    assert missing.why is Why.DENIED
    assert host.read_bytes("/home/alice/own") == b"mine"
    assert host.read_bytes("/home/alice/good") == b"mine"
    assert host.readlink("/home/alice/it") == "/root/secret"
    assert os.geteuid() == os.getegid() == 0


@pytest.mark.parametrize("ask", ["list", "lstat", "read_bytes"])
def test_a_linked_folder_shows_nothing_of_roots(tree: Path, ask: str) -> None:
    put(tree / "root/.config/client.ini", SECRET)
    (tree / "root").chmod(0o700)
    give(tree / "home/alice")
    (tree / "home/alice/.config").symlink_to("/root/.config")
    path = "/home/alice/.config" + ("" if ask == "list" else "/client.ini")
    missing = getattr(LiveHost(str(tree)), ask)(path)
    assert isinstance(missing, Missing)
    assert missing.why is Why.DENIED


def test_roots_own_links_are_followed(tree: Path) -> None:
    put(tree / "root/secret", "for root", 0o600)
    put(tree / "nix/store/made/it", "generated", 0o600)
    (tree / "nix/store").chmod(0o1775)
    (tree / "etc").mkdir()
    (tree / "etc/it").symlink_to("/root/secret")
    (tree / "etc/static").symlink_to("/nix/store/made")
    host = LiveHost(str(tree))
    assert host.read_bytes("/etc/it") == b"for root"
    assert host.read_bytes("/etc/static/it") == b"generated"


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_shared_folder_of_roots(tree: Path, mode: int) -> None:
    shared = tree / "usr/local/lib"
    put(shared / "public", "for all")
    hidden = put(tree / "root/secret", SECRET, 0o600)
    os.link(hidden, shared / "planted")
    (shared / "link").symlink_to("/root/secret")
    os.lchown(shared / "link", ALICE, ALICE)
    shared.chmod(mode)
    host = LiveHost(str(tree))
    assert host.read_bytes("/usr/local/lib/public") == b"for all"
    for name in ("planted", "link"):
        assert isinstance(host.read_bytes(f"/usr/local/lib/{name}"), Missing)


def test_links_in_every_place_that_is_read(tree: Path) -> None:
    """Each file of a whole host's capture is a link, in a folder of Alice's."""
    put(tree / "root/secret", SECRET, 0o600)
    held = catalogue.capture("bluefin-dx-2121")
    given = {"/etc/passwd", "/etc/group", "/usr/lib/passwd", "/usr/lib/group"}
    for path, content in held.files.items():
        if isinstance(content, bytes):
            where = put(tree / path.lstrip("/"), content.decode("utf-8", "replace"))
            if path in given:
                continue
            where.unlink()
            where.symlink_to("/root/secret")
            os.chown(where.parent, ALICE, ALICE)
    assert SECRET.encode() not in _archived(tree)
    for folder, _, _ in os.walk(tree):
        os.chown(folder, 0, 0)
    assert SECRET.encode() in _archived(tree)


def _archived(tree: Path) -> bytes:
    made = build(LiveHost(str(tree)), rules(), Options(), RunInfo("", 0, "x"), False)
    return b"\0".join(read_stream("it", io.BytesIO(made.data)).values())


NAMESPACE = """
set -eu
mount -t tmpfs -o mode=755 none /home
mount --bind "$1/passwd" /etc/passwd
cp -a "$1/alice" /home/alice
cd /home/alice
"$2" -P -m vfio_doctor bug-report --no-redact -o it.tar.gz
cp -a it.tar.gz "$1/"
"""


@pytest.mark.runs("unshare")
@pytest.mark.parametrize(
    "way",
    ["own", *(pytest.param(w, marks=pytest.mark.slow) for w in ("files", "folder"))],
)
def test_a_real_run_under_sudo(tree: Path, way: str) -> None:
    """Alice has planted what she can; the whole program runs as root."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    home = tree / "alice"
    give(home)
    put(tree / "root/looking-glass/client.ini", SECRET)
    (tree / "root").chmod(0o700)
    secret = str(tree / "root/looking-glass/client.ini")
    alice = f"alice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh"
    put(tree / "passwd", f"root:x:0:0::/root:/bin/sh\n{alice}\n")
    if way == "files":
        give(home / ".config/looking-glass")
        (home / ".config/looking-glass/client.ini").symlink_to(secret)
        (home / ".looking-glass-client.ini").symlink_to(secret)
    elif way == "folder":
        (home / ".config").symlink_to(tree / "root")
    else:
        put(home / ".looking-glass-client.ini", SECRET, 0o600, ALICE)
    for path in home.rglob("*"):
        os.lchown(path, ALICE, ALICE)
    words = ["unshare", "-m", "sh", "-c", NAMESPACE, "sh", str(tree), sys.executable]
    environment = {"SUDO_UID": str(ALICE), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    found = (tree / "it.tar.gz").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (ALICE, 0o600)
    with open(tree / "it.tar.gz", "rb") as file:
        held = read_stream("it", file)
    assert (SECRET.encode() in b"\0".join(held.values())) == (way == "own")


@pytest.fixture
def sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(ALICE))


@pytest.mark.usefixtures("sudo")
def test_what_is_written_belongs_to_the_person(tree: Path) -> None:
    give(tree / "home")
    file = NewFile(str(tree / "home/it"), replace=True, mode=0o600)
    file.finish(b"new")
    found = (tree / "home/it").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (ALICE, 0o600)
    assert os.listdir(tree / "home") == ["it"]


@pytest.mark.usefixtures("sudo")
def test_a_folder_that_becomes_a_link_is_not_followed(tree: Path) -> None:
    give(tree / "home/out")
    victim = put(tree / "etc/it", "root's")
    file = NewFile(str(tree / "home/out/it"), replace=True)
    (tree / "home/out").rename(tree / "home/away")
    (tree / "home/out").symlink_to(tree / "etc")
    file.finish(b"new")
    assert victim.read_text() == "root's"
    assert (tree / "home/away/it").read_bytes() == b"new"


@pytest.mark.usefixtures("sudo")
def test_a_link_to_a_folder_of_roots_is_refused(tree: Path) -> None:
    give(tree / "home")
    (tree / "etc").mkdir()
    (tree / "home/out").symlink_to(tree / "etc")
    with pytest.raises(PermissionError):
        NewFile(str(tree / "home/out/it"), replace=True)
    assert os.listdir(tree / "etc") == []
    os.mknod(tree / "disk", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    with pytest.raises(PermissionError):
        write_device(str(tree / "disk"), b"x")


def test_root_without_sudo_writes_as_who_bends_the_way(tree: Path) -> None:
    give(tree / "home")
    (tree / "etc").mkdir()
    (tree / "home/out").symlink_to(tree / "etc")
    with pytest.raises(PermissionError):
        NewFile(str(tree / "home/out/it"), replace=True)
    NewFile(str(tree / "etc/it"), replace=True).finish(b"root's own")
    assert (tree / "etc/it").stat().st_uid == 0


def test_captures_are_read_with_the_persons_rights(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(catalogue.capture("bluefin-dx-2121"), tree / "host")
    monkeypatch.setenv("SUDO_UID", str(ALICE))
    assert load(tree / "host").files
    (tree / "host").chmod(0o700)
    with pytest.raises(CaptureError, match="Permission denied"):
        load(tree / "host")


@pytest.mark.parametrize("text", ["0", "", "x", "٣", "-1", "4294967295", "9" * 5000])
def test_no_number_of_an_account(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SUDO_UID", text)
    monkeypatch.delenv("PKEXEC_UID", raising=False)
    assert rights.caller() is None
