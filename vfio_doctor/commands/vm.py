"""Lint definitions of VMs: ``vfio-doctor vm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import MEANT, with_examples
from vfio_doctor.app.shared_options import Command, takes
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.lints.judge import Judged

SHOW_OR_DO = say(
    "vm-show-or-do",
    "Add --dry-run to print what would be put right as a diff, or --risky to have "
    "libvirt define the VM anew.",
)
WITH_FIX = say("vm-with-fix", "{option} goes with --fix.")
IS_DIFF = say("vm-is-diff", "--fix prints a diff: leave out --format.")
SEE_LINTS = say("vm-see-lints", "See `vfio-doctor vm --list`.")
NO_SUCH_LINT = say("vm-no-such-lint", "{name}: no lint has this id. {more}")
FORMATS = ("text", "json", "sarif", "github")


def _complete(
    context: click.Context, _: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Offer the VMs whose definitions can be read, and files."""
    from click.shell_completion import CompletionItem

    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.vms import Vms

    known = Facts(open_host(None))[Vms].vms
    names = (vm.name for vm in known if vm.name.startswith(begun))
    return [*map(CompletionItem, names), CompletionItem(begun, type="file")]


@click.command("vm", cls=Command, short_help="Judge the XML of VMs against this host.")
@click.argument(
    "names", metavar="[NAME|FILE.xml|-]...", nargs=-1, shell_complete=_complete
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="As a compiler writes it, JSON for programs, SARIF 2.1.0 for editors and code "
    "scanning, annotations for a GitHub workflow.",
)
@click.option(
    "--no-host",
    is_flag=True,
    help="Judge the text alone: leave out the lints that ask a host.",
)
@click.option(
    "--fix",
    is_flag=True,
    help="With --dry-run: print what would be put right, as a diff. Everything else of "
    "the text stays as it is, byte for byte. With --risky: have libvirt define the VM "
    "anew, if it is off; 'vfio-doctor undo' takes it back.",
)
@click.option("--dry-run", is_flag=True, help="With --fix: change nothing.")
@click.option(
    "--risky",
    is_flag=True,
    help="With --fix: change definitions of libvirt's. The plan is shown first; -o "
    "writes the corrected definition to a file instead.",
)
@click.option("-y", "--yes", is_flag=True, help="With --risky: do not ask.")
@click.option("--explain", metavar="LINT", help="Print the page of one lint.")
@click.option("--list", "list_", is_flag=True, help="List all lints.")
@takes("capture", "user", "output", "fail_on", "quiet", "color")
@click.pass_obj
@with_examples
def command(
    chosen: Chosen,
    names: tuple[str, ...],
    format_: str,
    no_host: bool,
    fix: bool,
    dry_run: bool,
    risky: bool,
    yes: bool,
    explain: str | None,
    list_: bool,
    output: str | None,
    fail_on: str,
    quiet: bool,
) -> None:
    """Judge the XML of VMs against this host: line by line, as a compiler does.

    NAME is a VM of libvirt's or Proxmox VE's; - reads standard input, such as from
    'virsh dumpxml'. A file may also be a script that starts QEMU, or a configuration of
    Proxmox VE's or quickemu's. Without a name every VM is judged whose definition can
    be read. --fix --dry-run prints what can be put right as a diff; --fix --risky has
    libvirt take it over, for a VM that is off.

    Examples:
      vfio-doctor vm win11.xml
      sudo vfio-doctor vm
      virsh dumpxml --inactive win11 | vfio-doctor vm -
      vfio-doctor --capture bug.tar.gz vm win11.xml
      vfio-doctor vm start-win11.sh /etc/pve/qemu-server/100.conf
      vfio-doctor vm --fix --dry-run win11.xml
      sudo vfio-doctor vm --fix --risky win11
      vfio-doctor vm --no-host --format sarif *.xml > vm.sarif
    """
    from vfio_doctor.app.output import emit

    if explain is not None or list_:
        emit(_explained(explain) if explain is not None else _listed(), output)
        return
    _refuse(fix, dry_run, risky, yes, format_)
    leave = click.get_current_context().exit
    if risky and not dry_run:
        chosen = chosen._replace(yes=yes, output=output)
        leave(_redefined(chosen, names, not no_host))
    found = _found(chosen, names, not no_host)
    shown = _diffs(found) if fix else _rendered(found, format_, chosen, output, quiet)
    emit(shown, output)
    leave(_status(found, fail_on))


def _diffs(found: tuple[Judged, ...]) -> str:
    from vfio_doctor.app.vm_diff import diffs

    return "".join(diffs(found))


def _status(found: tuple[Judged, ...], fail_on: str) -> int:
    from vfio_doctor.app.vm import status
    from vfio_doctor.model import Severity

    return status(found, Severity[fail_on.upper()])


def _refuse(fix: bool, dry_run: bool, risky: bool, yes: bool, format_: str) -> None:
    if fix and not (dry_run or risky):
        raise click.UsageError(str(SHOW_OR_DO))
    for name, given in (("--dry-run", dry_run), ("--risky", risky), ("--yes", yes)):
        if given and not fix:
            raise click.UsageError(str(WITH_FIX.filled(option=name)))
    if fix and format_ != "text":
        raise click.UsageError(str(IS_DIFF))


def _found(
    chosen: Chosen, names: tuple[str, ...], with_host: bool
) -> tuple[Judged, ...]:
    from vfio_doctor.app.diagnosis import refuse_unknown_user
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.app.vm import judged
    from vfio_doctor.facts.base import Facts, Options

    host = open_host(chosen.capture)
    facts = Facts(host, Options(user=chosen.user))
    refuse_unknown_user(facts)
    return judged(host, facts, names, with_host)


def _redefined(chosen: Chosen, names: tuple[str, ...], with_host: bool) -> int:
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.app.vm import judged, of_system
    from vfio_doctor.app.vm_redefine import run
    from vfio_doctor.facts.base import Facts, Options

    if chosen.capture is not None:
        raise click.UsageError("--risky changes this host: leave out --capture.")
    host = open_host(None)
    facts = Facts(host, Options(user=chosen.user))
    found = judged(host, facts, names, with_host)
    return run(chosen, host, facts, found if names else of_system(found))


def _rendered(
    found: tuple[Judged, ...],
    format_: str,
    chosen: Chosen,
    output: str | None,
    quiet: bool,
) -> str:
    from vfio_doctor.report import vm_json

    if format_ == "json":
        return vm_json.as_json(found)
    if format_ == "sarif":
        return vm_json.as_sarif(found)
    if format_ == "github":
        return vm_json.as_github(found)
    from vfio_doctor.app.output import look
    from vfio_doctor.report import vm_text

    return vm_text.render(found, look(chosen.color, -1 if quiet else 0, output, chosen))


def _explained(name: str) -> str:
    from vfio_doctor.lints import every
    from vfio_doctor.report import vm_page

    for lint in every():
        if name.lower() == lint.id:
            return vm_page.text(lint)
    from difflib import get_close_matches

    near = get_close_matches(name, [lint.id for lint in every()], 1)
    more = MEANT.filled(names=near[0]) if near else SEE_LINTS
    raise click.UsageError(str(NO_SUCH_LINT.filled(name=name, more=more)))


def _listed() -> str:
    from vfio_doctor.lints import every
    from vfio_doctor.report.vm_page import title_of

    return "".join(
        f"{lint.id:<26} {lint.severity.word:<8} {title_of(lint)}\n" for lint in every()
    )
