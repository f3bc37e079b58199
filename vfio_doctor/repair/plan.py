"""From findings to a plan: fixes asked, wishes merged, steps in their order."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.kernel_cmdline import FILE_UNREAD
from vfio_doctor.facts.base import CannotFix, MissingFact, Said
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.host.reader import Kind, Missing, Why
from vfio_doctor.language import in_english
from vfio_doctor.messages import say
from vfio_doctor.model import (
    Applicability,
    CommandStep,
    DeleteFile,
    DisablePolicy,
    DisableUnit,
    DropContext,
    EnableUnit,
    FileContext,
    FileStep,
    KernelArguments,
    LoadModule,
    Message,
    NodeStep,
    OwnInitramfsBack,
    ParameterStep,
    PolicyModule,
    ProbeDriver,
    RestartService,
    RuntimeParameter,
    UdevTrigger,
    WriteFile,
)
from vfio_doctor.parse.cmdline import apply
from vfio_doctor.repair.already import CONFIGURED, SET, following_words, only_configured
from vfio_doctor.repair.guards import Unheld
from vfio_doctor.repair.images import image_steps, wishers
from vfio_doctor.repair.merge import (
    FileChange,
    composed,
    contradiction,
    merged_arguments,
)
from vfio_doctor.repair.replaceable import why_not
from vfio_doctor.repair.translate import Translated, translate
from vfio_doctor.repair.values import (
    ABSENT,
    Basis,
    Plan,
    PlannedFix,
    PlannedStep,
    Refused,
    Served,
)
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change, CheckResult, Step

FOLDERS = ("/etc/", "/var/", "/run/", "/boot/", "/efi/")
IMAGE_BASED = (BootKind.RPM_OSTREE, BootKind.BOOTC)
# What SELinux keeps in a store of its own, links of systemd's, rpm-ostree's initramfs.
POLICY = (
    *(FileContext, DropContext, DisablePolicy, PolicyModule, DisableUnit),
    OwnInitramfsBack,
)
# What brings effects forward, in the order in which it is done.
FORWARD = (
    *(UdevTrigger, LoadModule, ProbeDriver, RuntimeParameter),
    *(RestartService, EnableUnit),
)


CONTRADICT = say("fixes-contradict", "{fixes} contradict: {why}")
SAME_FILE = say("fixes-edit-one-file", "{fixes} contradict: both edit {path}")
NOT_IN_DEV = say("path-in-dev", "{path}: nothing is written in /dev")
NO_LEFTOVER = say("path-no-leftover", "{path} is not a leftover file")
OUTSIDE = say("path-outside", "{path} is outside of {folders}")
NO_EFFECT = say("path-without-effect", "{path} has no effect on an image-based system")
NOT_PLAIN = say("path-not-plain", "'{path}' is not a plain absolute path")
CONTROL = say("path-with-control", "'{path}' contains a control character")


class Unplannable(Said):
    """Some fixes cannot be part of this plan; the message says why."""

    def __init__(
        self, fixes: Iterable[str], message: Message, why: Why | None = None
    ) -> None:
        """Take the ids of the fixes; ``why`` is that of the reading it rests on."""
        super().__init__(message, why)
        self.fixes = tuple(fixes)


class Asked(NamedTuple):
    """What the host is asked with while a plan is made."""

    host: Reader
    backend: BootBackend | Message
    image_based: bool
    following: tuple[str, ...] | None = None


def make_plan(
    host: Reader,
    facts: Facts,
    results: tuple[CheckResult, ...],
    backend: BootBackend | Message,
    risky: bool = False,
    more: tuple[PlannedFix, ...] = (),
) -> Plan:
    """Return what ``--fix`` would do about the findings; nothing is changed.

    ``backend`` is the boot tool's back end, or the reason why there is none;
    ``more`` are repairs that answer no finding.
    Fixes that cannot be made, alone or together, are in ``refused``.
    """
    asked = _asked(host, facts, backend)
    proposed, refused = propose(results)
    now = (Applicability.SAFE, Applicability.RISKY) if risky else (Applicability.SAFE,)
    fixes = [fix for fix in proposed if fix.applicability in now]
    left = tuple(fix for fix in proposed if fix.applicability not in now)
    return _possible([*fixes, *more], refused, asked)._replace(left=left)


def plan_of(
    host: Reader, facts: Facts, fixes: list[PlannedFix], backend: BootBackend | Message
) -> Plan:
    """Return the plan of fixes that answer no finding, as those of a tear-down."""
    return _possible(fixes, [], _asked(host, facts, backend))


def _asked(host: Reader, facts: Facts, backend: BootBackend | Message) -> Asked:
    return Asked(host, backend, _is_image_based(facts), following_words(facts))


def _possible(fixes: list[PlannedFix], refused: list[Refused], asked: Asked) -> Plan:
    """Return the plan of those that can be made, together with the others."""
    while True:
        try:
            plan = _planned(tuple(fixes), asked)
        except Unplannable as why:
            out = [fix for fix in fixes if fix.id in why.fixes]
            fixes = [fix for fix in fixes if fix.id not in why.fixes]
            findings = tuple(f for fix in out for f in fix.findings)
            refused.append(Refused(why.fixes, findings, why.message, why.denied))
            continue
        return plan._replace(refused=tuple(refused))


@in_english
def propose(
    results: tuple[CheckResult, ...],
) -> tuple[list[PlannedFix], list[Refused]]:
    """Return the fixes that findings were offered, and who cannot have one."""
    fixes: dict[tuple[str, str, str], PlannedFix] = {}
    refused: dict[tuple[str, str], Refused] = {}
    for result in results:
        for finding, _, fix in result.diagnoses:
            served = Served(result.id, finding.place)
            if fix is None:
                continue
            if fix.cannot is not None:
                key = fix.id, str(fix.cannot)
                known = refused.get(key, Refused((fix.id,), (), fix.cannot))
                refused[key] = known._replace(findings=(*known.findings, served))
                continue
            made = PlannedFix(
                fix.id,
                fix.summary,
                fix.applicability,
                fix.reboot,
                (),
                (),
                fix.may_be_lost,
            )
            name = fix.id, fix.applicability.value, str(fix.summary)
            fixes[name] = _joined(fixes.get(name, made), served, fix.changes)
    return [fixes[key] for key in sorted(fixes)], list(refused.values())


def _joined(fix: PlannedFix, served: Served, changes: tuple[Change, ...]) -> PlannedFix:
    merged = tuple(dict.fromkeys((*fix.changes, *changes)))
    return fix._replace(findings=(*fix.findings, served), changes=merged)


def _planned(fixes: tuple[PlannedFix, ...], asked: Asked) -> Plan:
    """Return the plan of these fixes; raises Unplannable naming those that must go."""
    for at, fix in enumerate(fixes):
        for other in fixes[at:]:
            why = contradiction(fix.changes, other.changes)
            if why is not None:
                both = tuple(dict.fromkeys((fix.id, other.id)))
                raise Unplannable(both, CONTRADICT.filled(fixes=both, why=why))
    edit, arguments = _argument_steps(fixes, asked)
    files, nodes = _file_steps(fixes, asked)
    images, rebuilt = _images(fixes, asked.host)
    _refuse_doubles(files, (*arguments, *images))
    contexts = _translated(fixes, POLICY, asked.host)
    forward = _translated(fixes, FORWARD, asked.host)
    steps = (
        *_steps(forward, "before"),
        *_steps(contexts, "before"),
        *images,
        *files,
        *_steps(contexts, "after"),
        *rebuilt,
        *arguments,
        *nodes,
        *_steps(forward, "after"),
    )
    if not any(_acts(planned.step) for planned in steps):
        steps = ()
    idle = [f.id for f in fixes if not any(f.id in s.fixes for s in steps)]
    unmade = only_configured((f for f in fixes if f.id in idle), asked.following)
    if unmade:
        raise Unplannable(unmade, CONFIGURED)
    if idle:
        raise Unplannable(idle, SET)
    tool = "" if isinstance(asked.backend, Message) else asked.backend.name
    basis = (*map(_basis, (s.step for s in steps)), _words_basis(edit, tool))
    return Plan(
        steps,
        fixes,
        arguments=edit,
        tool=tool if edit else "",
        basis=tuple(dict.fromkeys(b for b in basis if b is not None)),
    )


def _acts(step: Step) -> bool:
    return not isinstance(step, CommandStep) or bool(step.argv)


def _images(
    fixes: tuple[PlannedFix, ...], host: Reader
) -> tuple[tuple[PlannedStep, ...], tuple[PlannedStep, ...]]:
    try:
        return image_steps(fixes, host)
    except (CannotFix, MissingFact) as why:
        raise Unplannable(wishers(fixes), why.message, why.why) from why


def _argument_steps(
    fixes: tuple[PlannedFix, ...], asked: Asked
) -> tuple[ArgumentEdit | None, tuple[PlannedStep, ...]]:
    wishes = [
        (fix.id, change)
        for fix in fixes
        for change in fix.changes
        if isinstance(change, KernelArguments)
    ]
    if not wishes:
        return None, ()
    ids = tuple(dict.fromkeys(fix_id for fix_id, _ in wishes))
    if isinstance(asked.backend, Message):
        raise Unplannable(ids, asked.backend)
    before = asked.backend.read(asked.host)
    if isinstance(before, Missing):
        raise Unplannable(ids, before.message, before.why)
    for fix_id in ids:
        own = [change for wisher, change in wishes if wisher == fix_id]
        _transaction(asked, before, own, (fix_id,))
    edit, steps = _transaction(asked, before, [change for _, change in wishes], ids)
    return edit, tuple(PlannedStep(step, ids, arguments=True) for step in steps)


def _transaction(
    asked: Asked,
    before: tuple[str, ...],
    changes: list[KernelArguments],
    ids: tuple[str, ...],
) -> tuple[ArgumentEdit | None, tuple[Step, ...]]:
    assert not isinstance(asked.backend, Message)
    try:
        edit = ArgumentEdit(before, apply(before, merged_arguments(changes)))
        if edit.before == edit.after:
            return None, ()
        steps = asked.backend.steps(asked.host, edit)
        for step in steps:
            why = isinstance(step, FileStep) and why_not(asked.host, step.path)
            if why:
                raise CannotFix(why)
        return edit, steps
    except (CannotFix, MissingFact) as why:
        raise Unplannable(ids, why.message, why.why) from why


def _file_steps(
    fixes: tuple[PlannedFix, ...], asked: Asked
) -> tuple[tuple[PlannedStep, ...], tuple[PlannedStep, ...]]:
    """Return one step a file, and those that remove leftovers in ``/dev``."""
    wishes: dict[str, list[tuple[str, FileChange]]] = {}
    for fix in fixes:
        for change in fix.changes:
            if isinstance(change, FileChange):
                wishes.setdefault(change.path, []).append((fix.id, change))
    files, nodes = [], []
    for path in sorted(wishes):
        ids = tuple(dict.fromkeys(fix_id for fix_id, _ in wishes[path]))
        changes = [change for _, change in wishes[path]]
        try:
            if path.startswith("/dev/"):
                step: Step | None = _node_step(path, changes, asked.host)
                if step is not None:
                    nodes.append(PlannedStep(step, ids, (Unheld(path),)))
                continue
            step = _file_step(path, changes, asked)
        except CannotFix as why:
            raise Unplannable(ids, why.message, why.why) from why
        if step is not None:
            files.append(PlannedStep(step, ids))
    return tuple(files), tuple(nodes)


def _file_step(path: str, changes: list[FileChange], asked: Asked) -> FileStep | None:
    _refuse_place(path, asked.image_based)
    before = content(asked.host, path)
    after = composed(before, changes)
    if after == before:
        return None
    modes = [change.mode for change in changes if isinstance(change, WriteFile)]
    return FileStep(path, before, after, modes[0] if modes else 0o644)


def _node_step(path: str, changes: list[FileChange], host: Reader) -> NodeStep | None:
    if not all(isinstance(change, DeleteFile) for change in changes):
        raise CannotFix(NOT_IN_DEV.filled(path=path))
    _refuse_shape(path)
    found = host.lstat(path)
    if isinstance(found, Missing):
        if found.why is Why.ABSENT:
            return None
        raise CannotFix(found.message, found.why)
    if found.kind is not Kind.FILE:
        raise CannotFix(NO_LEFTOVER.filled(path=path))
    return NodeStep(path, found.size)


def content(host: Reader, path: str) -> bytes | None:
    """Return what a file holds, None where there is none.

    Raises `CannotFix` for anything but a readable regular file that can be replaced.
    """
    why = why_not(host, path)
    if why is not None:
        raise CannotFix(why)
    data = host.read_bytes(path)
    if isinstance(data, Missing):
        if data.why is Why.ABSENT:
            return None
        raise CannotFix(FILE_UNREAD.filled(why=data.message), data.why)
    return data


def _refuse_place(path: str, image_based: bool) -> None:
    _refuse_shape(path)
    if not path.startswith(FOLDERS):
        raise CannotFix(OUTSIDE.filled(path=path, folders=FOLDERS))
    if image_based and path == "/etc/default/grub":
        raise CannotFix(NO_EFFECT.filled(path=path))


def _refuse_shape(path: str) -> None:
    parts = path.split("/")[1:]
    if not path.startswith("/") or any(p in ("", ".", "..") for p in parts):
        raise CannotFix(NOT_PLAIN.filled(path=path))
    if "\0" in path or "\n" in path:
        raise CannotFix(CONTROL.filled(path=path))


def _refuse_doubles(
    files: tuple[PlannedStep, ...], arguments: tuple[PlannedStep, ...]
) -> None:
    """Refuse where a fix and a boot tool's back end want the same file."""
    taken = {s.step.path: s for s in arguments if isinstance(s.step, FileStep)}
    for planned in files:
        other = isinstance(planned.step, FileStep) and taken.get(planned.step.path)
        if other and isinstance(planned.step, FileStep):
            ids = tuple(dict.fromkeys((*planned.fixes, *other.fixes)))
            said = SAME_FILE.filled(fixes=ids, path=planned.step.path)
            raise Unplannable(ids, said)


def _translated(
    fixes: tuple[PlannedFix, ...], kinds: tuple[type, ...], host: Reader
) -> list[tuple[tuple[str, ...], Translated]]:
    """Return each wish once, by kind, with the fixes that have it."""
    wishes: dict[Change, list[str]] = {}
    for fix in fixes:
        for change in fix.changes:
            if isinstance(change, kinds):
                wishes.setdefault(change, []).append(fix.id)
    found = []
    for change in sorted(wishes, key=lambda c: kinds.index(type(c))):
        reload = LoadModule(change.name, True) if isinstance(change, LoadModule) else 0
        if change != reload and reload in wishes:
            wishes[reload].extend(wishes[change])
            continue
        ids = tuple(dict.fromkeys(wishes[change]))
        try:
            found.append((ids, translate(change, host)))
        except CannotFix as why:
            raise Unplannable(ids, why.message, why.why) from why
    return found


def _steps(
    found: list[tuple[tuple[str, ...], Translated]], part: str
) -> tuple[PlannedStep, ...]:
    # Undo alone runs what stands before the files, and it walks backwards.
    ordered = reversed(found) if part == "before" else found
    return tuple(
        PlannedStep(step, ids, translated.guards)
        for ids, translated in ordered
        for step in (translated.before if part == "before" else translated.after)
    )


def _basis(step: Step) -> Basis | None:
    if isinstance(step, FileStep):
        return Basis("file", step.path, digest(step.before))
    if isinstance(step, ParameterStep):
        return Basis("parameter", step.path, digest(step.before.encode()))
    return None


def _words_basis(edit: ArgumentEdit | None, tool: str) -> Basis | None:
    return Basis("arguments", tool, words_digest(edit.before)) if edit else None


def words_digest(words: tuple[str, ...]) -> str:
    """Return the SHA-256 of a command line's words."""
    return digest("\n".join(words).encode("utf-8", "surrogateescape"))


def digest(data: bytes | None) -> str:
    """Return the SHA-256 of a content, ``absent`` for none."""
    if data is None:
        return ABSENT
    return str(_sha256()(data).hexdigest())


@cache
def _sha256() -> Callable[[bytes], Any]:
    """Return Python's own: hashlib loads OpenSSL, a fifth of a start of Python."""
    for module in ("_sha2", "_sha256"):
        try:
            return import_module(module).sha256  # type: ignore[no-any-return, unused-ignore]
        except ImportError:
            continue
    from hashlib import sha256

    return sha256


def _is_image_based(facts: Facts) -> bool:
    try:
        return facts[BootStack].kind in IMAGE_BASED
    except MissingFact:
        return False
