"""What the journal tells of set-ups: which runs they were, and the way back now.

`undo` takes one run back, and cannot be undone itself. A tear-down takes all runs of
one kind back with a plan of its own, which `undo` takes back like any other.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.words import added, lacking, removed
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.images.own import own_initramfs
from vfio_doctor.facts.leftovers.arguments import IOMMU
from vfio_doctor.facts.membership import GROUP_FILE, leaving
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import (
    CommandStep,
    DeleteFile,
    DisableUnit,
    DropContext,
    FileStep,
    KernelArguments,
    OwnInitramfsBack,
    WriteFile,
)
from vfio_doctor.parse.cmdline import ACCUMULATING, argument, plain
from vfio_doctor.repair.domains_back import DomainBack, domains_of
from vfio_doctor.repair.journal_lines import RunState, standing
from vfio_doctor.repair.translate import translate
from vfio_doctor.repair.values import StepState
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change
    from vfio_doctor.repair.journal_lines import Run

BEFORE = say("teardown-as-before", "a set-up has written it")
# What a set-up of passthrough adds (`repair.access`).
JOIN, SOCKET, NODE = "setup-join-libvirt", "setup-start-libvirt", "setup-session-node"
# What a set-up of Looking Glass adds to a VM.
VM = "setup-vm-looking-glass"
MADE = (StepState.DONE, StepState.LATE)
IOMMU_FIXES = frozenset(("enable-iommu", "remove-iommu-off", "remove-intremap-off"))


class Kind(NamedTuple):
    """A kind of set-up: the repairs that show it, and all that belong to it."""

    core: frozenset[str]
    more: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Return both."""
        return self.core | self.more


PASSTHROUGH = Kind(
    frozenset(("bind-card", JOIN, SOCKET, NODE)),
    IOMMU_FIXES | {"silence-ignored-msrs", "ignore-unknown-msrs"},
)
LOOKING_GLASS = Kind(
    frozenset(
        (
            "grant-kvmfr-access",
            "label-kvmfr",
            "list-libvirt-devices",
            "load-kvmfr",
            "load-kvmfr-at-boot",
            "open-kvmfr-in-apparmor",
            "size-kvmfr",
            "size-kvmfr-at-boot",
            VM,
        )
    ),
    frozenset(("remove-stray-kvmfr-file",)),
)


class Known(NamedTuple):
    """Runs of a kind, and what takes their work back now.

    ``paths`` are the files that this edits, ``words`` the arguments that it leaves,
    ``domains`` the VMs that were defined anew.
    ``edits`` made the runs' arguments, the newest first; () if others have since.
    """

    runs: tuple[str, ...]
    changes: tuple[Change, ...]
    paths: frozenset[str]
    words: tuple[str, ...]
    edits: tuple[FileStep, ...] = ()
    domains: tuple[DomainBack, ...] = ()


def known(
    runs: tuple[Run, ...],
    kind: Kind,
    host: Reader,
    words: tuple[str, ...],
    iommu: bool = False,
    user: str = "",
) -> Known:
    """Return what the journal tells of a kind of set-up.

    What somebody has changed since is left to be told by its look. ``iommu`` takes in
    the runs that did no more than switch it on; ``user`` is a VM that needs it.
    """
    meant = kind.core | IOMMU_FIXES if iommu else kind.core
    ours = [r for r in standing(runs) if any(f.id in meant for f in r.beginning.fixes)]
    files = dict(_files(ours, kind, host))
    left = words
    edits: list[FileStep] = []
    is_exact = not user
    for run in reversed(ours):
        if not any(entry.step.arguments for entry in run.entries):
            continue
        if _has_arguments_alone(run, kind):
            is_exact = is_exact and left == run.beginning.after
            left = _before(run, left, bool(user))
            edits += reversed(list(_argument_edits(run)))
        else:
            is_exact = False
    commands = [*_commands(ours, host), *_members(ours, host)]
    commands += _own_initramfs(ours, host)
    changes: list[Change] = [*files.values(), *commands]
    if left != words:
        changes.append(_edit(words, left))
    exact = tuple(edits) if is_exact else ()
    ids = tuple(run.id for run in ours)
    # What a tear-down could not put back is there, though its run is taken back.
    left_behind = tuple(run for run in runs if run.state is not RunState.UNDONE)
    domains = domains_of(left_behind, VM) if VM in kind.core else ()
    return Known(ids, tuple(changes), frozenset(files), left, exact, domains)


def _argument_edits(run: Run) -> Iterator[FileStep]:
    for entry in run.entries:
        step = entry.step.step
        if isinstance(step, FileStep) and entry.step.arguments and entry.state in MADE:
            yield step


def _files(runs: list[Run], kind: Kind, host: Reader) -> Iterator[tuple[str, Change]]:
    """Yield what puts each file back that is as the last of the runs has left it."""
    chains: dict[str, list[FileStep]] = {}
    for run in runs:
        for step in _file_steps(run, kind):
            if step.path == GROUP_FILE:
                continue
            chain = chains.setdefault(step.path, [])
            if chain and chain[-1].after != step.before:
                chain.clear()
            chain.append(step)
    for path, chain in chains.items():
        now = host.read_bytes(path)
        if isinstance(now, Missing) and now.why is not Why.ABSENT:
            continue
        data, before = None if isinstance(now, Missing) else now, chain[0].before
        if data != chain[-1].after or data == before:
            continue
        if before is None:
            yield path, DeleteFile(path, BEFORE)
        else:
            yield path, WriteFile(path, before.decode("utf-8", "surrogateescape"))


def _file_steps(run: Run, kind: Kind) -> Iterator[FileStep]:
    for entry in run.entries:
        step, own = entry.step.step, set(entry.step.fixes) <= kind.all
        if not isinstance(step, FileStep) or entry.step.arguments:
            continue
        if own and entry.state in MADE:
            yield step


def _members(runs: list[Run], host: Reader) -> Iterator[Change]:
    """Yield what takes a person out of groups; others may have joined since."""
    text = read_text(host, GROUP_FILE)
    for run in runs if isinstance(text, str) else ():
        for step in _file_steps(run, PASSTHROUGH):
            if step.path == GROUP_FILE:
                yield from _taken_back(step, str(text))


def _taken_back(step: FileStep, text: str) -> Iterator[Change]:
    before, after = (
        {line.split(":")[0]: line for line in _lines(data)}
        for data in (step.before, step.after)
    )
    for name, line in after.items():
        edit = (
            leaving(before.get(name), line, text) if line != before.get(name) else None
        )
        if edit is not None:
            yield edit


def _lines(data: bytes | None) -> list[str]:
    return (data or b"").decode("utf-8", "surrogateescape").splitlines()


def _commands(runs: list[Run], host: Reader) -> Iterator[Change]:
    """Yield what takes back what programs were asked for, if it is still there."""
    for run in runs:
        for entry in run.entries:
            step = entry.step.step
            if not isinstance(step, CommandStep) or entry.state not in MADE:
                continue
            if step.argv[:3] == ("semanage", "fcontext", "-a"):
                change = DropContext(step.argv[-1])
                with suppress(CannotFix):
                    translate(change, host)
                    yield change
            if step.argv[:2] == ("systemctl", "enable") and SOCKET in entry.step.fixes:
                yield DisableUnit(step.argv[-1])


def _own_initramfs(runs: list[Run], host: Reader) -> Iterator[Change]:
    """Yield the state before the first of the runs, if the last one's is there now."""
    from vfio_doctor.boot.images.own_initramfs import INITRAMFS, asked_by

    calls = [
        entry.step.step
        for run in runs
        for entry in run.entries
        if isinstance(entry.step.step, CommandStep)
        and entry.state in MADE
        and entry.step.step.argv[:2] == INITRAMFS
    ]
    if not calls:
        return
    with suppress(MissingFact):
        now = own_initramfs(host)
        for step in reversed(calls):
            if asked_by(step.argv) != now:
                break
            now = asked_by(step.inverse)
        if now != own_initramfs(host):
            yield OwnInitramfsBack(*now)


def _has_arguments_alone(run: Run, kind: Kind) -> bool:
    """Tell whether a run's arguments are all for a set-up of this kind."""
    ids = {fix for e in run.entries if e.step.arguments for fix in e.step.fixes}
    return ids <= kind.all


def _before(run: Run, words: tuple[str, ...], in_use: bool) -> tuple[str, ...]:
    """Return the words without a run's; as they are, if they are not as it left them.

    ``in_use``: the IOMMU's arguments stay.
    """
    begun = run.beginning
    if words == begun.after and not in_use:
        return begun.before
    new, gone = list(added(begun.edit)), list(removed(begun.edit))
    if lacking(begun.edit, words):
        return words
    if in_use:
        new = [word for word in new if word not in IOMMU]
        gone = [word for word in gone if not _is_iommu(word)]
    kept = list(words)
    for word in new:
        twin = next((w for w in gone if _replaces(w, word)), None)
        if twin is None:
            kept.remove(word)
        else:
            kept[kept.index(word)] = twin
            gone.remove(twin)
    return (*kept, *gone)


def _is_iommu(word: str) -> bool:
    return plain(argument(word).key) in ("iommu", "intel_iommu", "amd_iommu")


def _replaces(old: str, new: str) -> bool:
    key = plain(argument(old).key)
    return key == plain(argument(new).key) and key not in ACCUMULATING


def _edit(words: tuple[str, ...], left: tuple[str, ...]) -> KernelArguments:
    """Return the edit; a word that is put in another's place needs no removal."""
    edit = ArgumentEdit(words, left)
    new = added(edit)
    gone = (w for w in removed(edit) if not any(_replaces(w, n) for n in new))
    return KernelArguments(set_=new, remove=tuple(gone))
