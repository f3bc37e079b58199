"""Each lint fires on its example, alone; put right, the example is silent."""

from __future__ import annotations

from support.lint_hosts import HOSTS
from support.rows import for_each
from support.vm_hosts import facts
from vfio_doctor.lints import every
from vfio_doctor.lints.example import EXAMPLE, as_it_should_be, with_fault
from vfio_doctor.lints.judge import Judged, judge
from vfio_doctor.lints.lint import Lint
from vfio_doctor.parse.xml_edit import applied

LINTS = every()


def judged(lint: type[Lint], right: bool) -> Judged:
    """Judge an example; put right, it is on the host that it needs, or that fits."""
    text = as_it_should_be(lint) if right else with_fault(lint)
    made = HOSTS.get(lint.id)
    healthy = made is None or (right and not lint.right)
    return judge(
        text.encode(), "win11.xml", facts(None if made is None or healthy else made())
    )


@for_each("lint", LINTS, ids=lambda lint: lint.id)
def test_the_example_fires_it_and_nothing_else(lint: type[Lint]) -> None:
    found = judged(lint, right=False)
    assert found.refused is None
    assert {f.lint.id for f in found.faults} == {lint.id}
    assert found.untold == ()


@for_each("lint", LINTS, ids=lambda lint: lint.id)
def test_put_right_it_is_silent(lint: type[Lint]) -> None:
    found = judged(lint, right=True)
    assert [f.lint.id for f in found.faults if f.lint.id == lint.id] == []


def test_the_example_is_clean() -> None:
    found = judge(EXAMPLE.encode(), "win11.xml", facts())
    assert (found.faults, found.untold, found.refused) == ((), (), None)


def test_what_a_cure_writes_is_clean() -> None:
    cured = []
    for lint in LINTS:
        found = judged(lint, right=False)
        edits = [edit for fault in found.faults for edit in fault.cure]
        if not edits or found.document is None:
            continue
        text = applied(found.document.source.data, edits)
        made = HOSTS.get(lint.id)
        after = judge(text, "win11.xml", facts(made() if made else None))
        assert [f.lint.id for f in after.faults] == [], lint.id
        assert after.refused is None
        cured.append(lint.id)
    assert len(cured) >= 15
