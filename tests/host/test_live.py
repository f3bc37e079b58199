"""LiveHost on real files below a scratch root, and on this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from stat import S_IFSOCK

import pytest

from support.rows import for_each
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import AclEntry, Kind, Missing, Stat, Why
from vfio_doctor.host.recorder import Recorder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one of each kind, and links that try to leave it."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/file").write_bytes(b"text\n")
    (tmp_path / "etc/passwd").write_text("alice:x:4242:4243::/:/bin/sh\nodd\n")
    (tmp_path / "etc/group").write_text("friends:x:4243:\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    os.mknod(tmp_path / "socket", S_IFSOCK | 0o600)
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "absolute").symlink_to("/etc/file")
    (tmp_path / "up").symlink_to("../../../../../../etc/file")
    (tmp_path / "away").symlink_to("/etc")
    (tmp_path / "dangling").symlink_to("nowhere")
    return tmp_path


def why(answer: object) -> tuple[Why, str] | object:
    return (answer.why, str(answer.detail)) if isinstance(answer, Missing) else answer


@pytest.mark.parametrize(
    "path", ["/etc/file", "/absolute", "/up", "/away/file", "/./etc/../etc/file"]
)
def test_links_stay_inside_the_root(root: Path, path: str) -> None:
    assert LiveHost(str(root)).read_bytes(path) == b"text\n"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/fifo", (Why.FAILED, "not a regular file")),
        ("/folder", (Why.FAILED, "not a regular file")),
        ("/socket", (Why.FAILED, "not a regular file")),
        ("/loop", (Why.FAILED, "Too many levels of symbolic links")),
        ("/dangling", (Why.ABSENT, "No such file or directory")),
        ("/nothing", (Why.ABSENT, "No such file or directory")),
        ("/etc/file/below", (Why.ABSENT, "Not a directory")),
        ("/device", (Why.ABSENT, "No such file or directory")),
        ("/" + "x" * 300, (Why.FAILED, "File name too long")),
        ("/nul\0", (Why.FAILED, "embedded null byte")),
        ("relative", (Why.FAILED, "not an absolute path")),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_what_is_no_file_is_said_as_such(
    root: Path, path: str, reason: tuple[Why, str]
) -> None:
    assert why(LiveHost(str(root)).read_bytes(path)) == reason


@for_each("path", ["/dev/null", "/dev/zero", "/dev", "/proc/self/fd"])
def test_devices_of_this_machine_are_not_read(path: str) -> None:
    assert why(LiveHost().read_bytes(path)) == (Why.FAILED, "not a regular file")


@pytest.mark.parametrize("text", ["\udfff", "/\ud800/x"])
@pytest.mark.parametrize("ask", ["read_bytes", "lstat", "list", "readlink", "glob"])
def test_text_that_is_no_path_raises_nothing(text: str, ask: str) -> None:
    assert getattr(LiveHost(), ask)(text) in ((), None) or isinstance(
        getattr(LiveHost(), ask)(text), Missing
    )


def test_a_sparse_file_of_100_mb_is_refused(root: Path) -> None:
    os.truncate(root / "etc/file", 100 << 20)
    answer = LiveHost(str(root)).read_bytes("/etc/file", 1000)
    assert why(answer) == (Why.FAILED, "more than 1000 bytes")


def test_a_limit_of_exactly_the_size_is_enough(root: Path) -> None:
    host = LiveHost(str(root))
    assert host.read_bytes("/etc/file", 5) == b"text\n"
    assert isinstance(host.read_bytes("/etc/file", 4), Missing)


def test_files_that_do_not_know_their_size_are_read_whole() -> None:
    host = LiveHost()
    size = len(Path("/proc/cpuinfo").read_bytes())
    assert len(bytes(host.read_bytes("/proc/cpuinfo"))) >= size - 4096  # type: ignore[arg-type]
    assert host.read_bytes("/proc/sys/kernel/ostype") == b"Linux\n"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/etc", ("file", "group", "passwd")),
        ("/away", ("file", "group", "passwd")),
        ("/folder", ()),
        ("/etc/file", (Why.FAILED, "not a folder")),
        ("/fifo", (Why.FAILED, "not a folder")),
        ("/etc/file/below", (Why.ABSENT, "Not a directory")),
        ("/nothing", (Why.ABSENT, "No such file or directory")),
        ("/loop", (Why.FAILED, "Too many levels of symbolic links")),
    ],
)
def test_folders_are_listed(root: Path, path: str, answer: object) -> None:
    assert why(LiveHost(str(root)).list(path)) == answer


def test_links_are_read_and_nothing_else_is_one(root: Path) -> None:
    host = LiveHost(str(root))
    assert host.readlink("/up") == "../../../../../../etc/file"
    assert why(host.readlink("/etc")) == (Why.FAILED, "not a symbolic link")
    assert why(host.readlink("/no")) == (Why.ABSENT, "No such file or directory")


def test_glob_matches_by_listing(root: Path) -> None:
    host = LiveHost(str(root))
    assert host.glob("/[ae]*/file") == ("/away/file", "/etc/file")
    assert host.glob("/nothing/*") == ()
    assert isinstance(host.glob("/loop/*"), Missing)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/file", Kind.FILE),
        ("/etc", Kind.DIRECTORY),
        ("/up", Kind.LINK),
        ("/fifo", Kind.FIFO),
        ("/socket", Kind.SOCKET),
    ],
)
def test_lstat_says_what_a_path_is(root: Path, path: str, kind: Kind) -> None:
    stat = LiveHost(str(root)).lstat(path)
    assert isinstance(stat, Stat)
    assert stat.kind is kind
    assert stat.size == (5 if kind is Kind.FILE else 0)
    assert bool(stat.target) == (kind is Kind.LINK)


def test_lstat_of_a_device() -> None:
    stat = LiveHost().lstat("/dev/null")
    assert isinstance(stat, Stat)
    assert (stat.kind, stat.rdev, stat.user) == (Kind.CHAR, (1, 3), "root")


@pytest.mark.needs_root
def test_names_come_from_the_root_s_own_account_files(root: Path) -> None:
    os.chown(root / "etc/file", 4242, 4243)
    os.chown(root / "fifo", 4299, 4299)
    host = LiveHost(str(root))
    stat, other = host.lstat("/etc/file"), host.lstat("/fifo")
    assert isinstance(stat, Stat)
    assert isinstance(other, Stat)
    assert (stat.user, stat.group) == ("alice", "friends")
    assert (other.user, other.group) == ("", "")


@pytest.mark.needs_root
def test_an_account_nobody_knows_has_no_name(root: Path) -> None:
    os.chown(root / "fifo", 424242, 424243)
    stat = LiveHost().lstat(f"{root}/fifo")
    assert isinstance(stat, Stat)
    assert (stat.uid, stat.user, stat.gid, stat.group) == (424242, "", 424243, "")


@pytest.mark.runs("setfacl")
def test_an_access_list_is_decoded(root: Path) -> None:
    file = root / "etc/file"
    try:
        subprocess.run(["setfacl", "-m", "u:4242:rw,g:36:r", file], check=True)
    except FileNotFoundError:
        entries = [(1, 6, -1), (2, 6, 4242), (4, 4, -1)]
        entries += [(8, 4, 36), (16, 6, -1), (32, 4, -1)]
        data = (2).to_bytes(4, "little") + b"".join(
            t.to_bytes(2, "little")
            + p.to_bytes(2, "little")
            + (i & 0xFFFFFFFF).to_bytes(4, "little")
            for t, p, i in entries
        )
        try:
            os.setxattr(file, "system.posix_acl_access", data)
        except OSError as error:
            pytest.skip(f"needs access lists: {error}")
    stat = LiveHost(str(root)).lstat("/etc/file")
    assert isinstance(stat, Stat)
    assert {AclEntry("user", 4242, 6), AclEntry("group", 36, 4)} < set(stat.acl)
    assert stat.acl[0] == AclEntry("user_obj", -1, 6)


@pytest.mark.needs_root
def test_an_selinux_label_is_read(root: Path) -> None:
    file = root / "etc/file"
    label = b"system_u:object_r:svirt_tmpfs_t:s0\0"
    try:
        os.setxattr(file, "security.selinux", label)
    except OSError as error:
        pytest.skip(f"needs labels: {error}")
    stat = LiveHost(str(root)).lstat("/etc/file")
    assert isinstance(stat, Stat)
    assert stat.label == "system_u:object_r:svirt_tmpfs_t:s0"


def _as_nobody(root: Path) -> list[str]:
    """Ask as an account without rights, in a child process; return the reasons."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        host = LiveHost(str(root))
        answers: list[object] = [host.read_bytes("/etc/file"), host.list("/folder")]
        answers += [host.lstat("/folder/x"), host.glob("/folder/*")]
        words = [a.why.value if isinstance(a, Missing) else "?" for a in answers]
        os.write(write_end, " ".join(words).encode())
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text.split()


def test_what_may_not_be_read_is_denied(root: Path) -> None:
    for parent in (root, *root.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    (root / "etc/file").chmod(0)
    (root / "folder").chmod(0)
    if os.geteuid() == 0:
        assert _as_nobody(root) == ["denied"] * 4
        return
    host = LiveHost(str(root))
    assert why(host.read_bytes("/etc/file")) == (Why.DENIED, "Permission denied")
    assert why(host.list("/folder")) == (Why.DENIED, "Permission denied")


def test_another_root_answers_nothing_for_this_machine(root: Path) -> None:
    host = LiveHost(str(root))
    assert host.name == str(root)
    for answer in (
        host.run(("dmesg",)),
        host.udev_devices("pci"),
        host.probe("kvm", "/dev/kvm"),
    ):
        assert isinstance(answer, Missing)
        assert answer.why is Why.NOT_CAPTURED


@pytest.mark.parametrize(
    ("text", "uid"),
    [("1000", 1000), ("", -1), ("-1", -1), ("1e3", -1), ("٣", -1), ("9" * 20, -1)],
)
def test_who_called_sudo(monkeypatch: pytest.MonkeyPatch, text: str, uid: int) -> None:
    monkeypatch.setenv("SUDO_UID", text)
    monkeypatch.delenv("PKEXEC_UID", raising=False)
    caller = LiveHost().caller()
    assert (caller.uid, caller.sudo_uid, caller.pkexec_uid) == (os.getuid(), uid, -1)


@pytest.mark.parametrize(
    "path", ["/fifo", "/loop", "/folder", "/etc/file", "/up", "/x"]
)
def test_a_recorder_answers_as_the_host_does(root: Path, path: str) -> None:
    host = LiveHost(str(root))
    recorder = Recorder(host)
    assert recorder.read_bytes(path) == host.read_bytes(path)
    assert recorder.lstat(path) == host.lstat(path)
    assert recorder.list(path) == host.list(path)
    assert recorder.readlink(path) == host.readlink(path)
    assert recorder.glob(f"{path}/*") == host.glob(f"{path}/*")
