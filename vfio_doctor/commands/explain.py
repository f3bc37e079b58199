"""Print a rule's page: ``vfio-doctor explain ID``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import MEANT, SEE_CHECKS, with_examples
from vfio_doctor.app.output import emit
from vfio_doctor.app.shared_options import HIDE, Command, said_to, takes
from vfio_doctor.language import spoken
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from vfio_doctor.api import Check
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.diagnosis.registry import Registry

NEED_HERE = say(
    "explain-need-here",
    "--capture, --user, --with, --device, --color and --redact need --here: add it.",
)
NO_SUCH_CHECK = say("explain-no-such-check", "{name}: no check has this id. {more}")
READ_MORE = say("explain-read-more", "Read more: `vfio-doctor explain ID`")


def complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a check id, with its title where the shell shows one."""
    from click.shell_completion import CompletionItem

    from vfio_doctor.diagnosis.registry import load

    return [
        CompletionItem(check.id, help=check.title)
        for check in load().checks
        if check.id.startswith(incomplete)
    ]


@click.command(
    "explain", cls=Command, short_help="Explain a check and how it is repaired."
)
@click.argument("name", metavar="ID", shell_complete=complete)
@click.option(
    "--here",
    is_flag=True,
    help="Also judge this host (or the one of --capture) and say how it ended.",
)
@takes("capture", "user", "areas", "devices", "color", "plugins")
@HIDE
@click.pass_obj
@with_examples
def command(chosen: Chosen, name: str, here: bool) -> None:
    """Explain a check: what it looks at, why it matters, how it is repaired.

    ID is a check's or a fix's id, as reports and 'vfio-doctor checks' show it, or an
    area such as kvmfr.

    Examples:
      vfio-doctor explain kvmfr-device-owner
      vfio-doctor explain iommu-off --here
      vfio-doctor --capture bug.tar.gz explain iommu-off --here
    """
    from vfio_doctor.diagnosis.registry import load

    if not here and said_to(click.get_current_context()):
        raise click.UsageError(str(NEED_HERE))
    name = name.lower()
    registry = load()
    text = page(name, registry)
    if here:
        text += f"\n{_here(chosen, name)}"
    emit(text)


def page(name: str, registry: Registry) -> str:
    """Return the page of a check or a fix; raises UsageError with near names."""
    from vfio_doctor.docs.page import check_text, fix_text

    check = registry.check(name)
    if check is not None:
        return check_text(check, registry)
    fix = next((fix for fix in registry.fixes if fix.id == name), None)
    if fix is not None:
        return fix_text(fix)
    area = [c for c in registry.checks if c.id.startswith(f"{name}-")]
    if area:
        return _area(name, area)
    lint = _lint(name)
    if lint is not None:
        return lint
    from difflib import get_close_matches

    names = [c.id for c in registry.checks] + [f.id for f in registry.fixes]
    near = get_close_matches(name, names, 3, 0.5)
    more = MEANT.filled(names=" / ".join(near)) if near else SEE_CHECKS
    raise click.UsageError(str(NO_SUCH_CHECK.filled(name=name, more=more)))


def _lint(name: str) -> str | None:
    """Return the page of a lint of VMs, None if there is none of that id."""
    from vfio_doctor.lints import every
    from vfio_doctor.report.vm_page import text

    return next((text(lint) for lint in every() if lint.id == name), None)


def _area(name: str, checks: list[type[Check]]) -> str:
    """Return the rules of an area, each with its title."""
    from vfio_doctor.app.output import look
    from vfio_doctor.app.program import called
    from vfio_doctor.report.wrap import wrap

    width = look("auto", 0, None).width
    lines = [str(say("explain-area", "Checks of {name}:", name=name))]
    for c in checks:
        lines += wrap(
            f"{c.id}: {spoken(f'{c.id}.title', c.title)}", width, "  ", "    "
        )
    return "\n".join([*lines, "", called().pasted(str(READ_MORE)), ""])


def _here(chosen: Chosen, name: str) -> str:
    from vfio_doctor.app.diagnosis import diagnosed
    from vfio_doctor.app.output import look
    from vfio_doctor.report import text

    report = diagnosed(chosen._replace(select=(name,), skip=())).report
    return text.render_one(report, look(chosen.color, 1, None))
