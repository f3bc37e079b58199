"""Files of assignments that the shell reads in another way than their author."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse.shell_faults import ShellFaultKind, shell_faults

OPEN, COMMAND, ARGUMENT, PLUS, BLANK, LINE_END = (
    ShellFaultKind.OPEN_QUOTE,
    ShellFaultKind.COMMAND,
    ShellFaultKind.ARGUMENT,
    ShellFaultKind.PLUS,
    ShellFaultKind.BLANK,
    ShellFaultKind.LINE_END,
)
FILES = [
    ('A="x"\nB=y\n', ()),
    ('A="quiet\nB="y"\n', ((1, OPEN),)),
    ('A="quiet\n', ((1, OPEN),)),
    ("A=1\nA='quiet\n", ((2, OPEN),)),
    ("A=quiet splash\n", ((1, COMMAND),)),
    ("A=quiet # a comment\n", ()),
    ("A=quiet B=splash\n", ()),
    ("A=quiet B=on splash\n", ((1, COMMAND),)),
    ('A=quiet B="on off" C=1\n', ()),
    ("GRUB_CMDLINE_LINUX=quiet iommu=pt\n", ((1, ARGUMENT),)),
    ("GRUB_CMDLINE_LINUX=quiet iommu=pt intel_iommu=on # x\n", ((1, ARGUMENT),)),
    ('GRUB_CMDLINE_LINUX="quiet" iommu=pt\n', ((1, ARGUMENT),)),
    ("GRUB_CMDLINE_LINUX=quiet iommu=pt kvm.nested=1\n", ((1, COMMAND),)),
    ("GRUB_CMDLINE_LINUX=quiet GRUB_TIMEOUT=1\n", ()),
    ("GRUB_CMDLINE_LINUX=quiet; iommu=pt\n", ()),
    ("GRUB_TIMEOUT=1 iommu=pt\n", ()),
    ("A=1; B=2\n", ()),
    ('A="two \\\nlines"\nB=quiet splash\n', ((3, COMMAND),)),
    ('A="a\\"b"\n', ()),
    ('A+=" b"\n', ((1, PLUS),)),
    ('  export A="$A b"\n# A="\n', ()),
    ("A='it'\\''s'\n", ()),
    ('A="$(echo "a b")"\nB=1\n', ()),
    ('A="${B:-"x y"}"\n', ()),
    ('A = "quiet splash"\n', ((1, BLANK),)),
    ('B=1\nexport A ="quiet"\n', ((2, BLANK),)),
    ("A\t=quiet\n", ((1, BLANK),)),
    ('A= "quiet splash"\n', ((1, COMMAND),)),
    ("# A = b\n#\r\nA=b\n", ()),
    ('B=0\nA="quiet splash"\r\nA=c\r\n', ((2, LINE_END),)),
    ("A=1\n\r\n", ((2, LINE_END),)),
    ("A=`lsb_release -i -s 2> /dev/null || echo x`\n", ()),
    ('A=$(echo "a b" c)\nB=${A:-c d}\n', ()),
]


@for_each(("text", "faults"), FILES)
def test_faults(text: str, faults: tuple[tuple[int, ShellFaultKind], ...]) -> None:
    found = shell_faults(text, knows_plus=False)
    assert tuple((fault.line, fault.kind) for fault in found) == faults


def test_a_shell_that_knows_plus() -> None:
    assert shell_faults('A+=" b"\n', knows_plus=True) == ()


@given(st.text(alphabet="AB=+\"' \\\r\n#;$x", max_size=60), st.booleans())
def test_never_raises(text: str, plus: bool) -> None:
    for fault in shell_faults(text, plus):
        assert 1 <= fault.line <= text.count("\n") + 1


@pytest.mark.runs("dash")
@pytest.mark.needs_tool("dash")
@pytest.mark.parametrize(("text", "faults"), FILES)
def test_dash_says_so_too(
    text: str, faults: tuple[tuple[int, ShellFaultKind], ...], tmp_path: Path
) -> None:
    """It stops at the line, or the variable holds what nobody meant."""
    path = tmp_path / "grub"
    path.write_bytes(text.encode())
    show = f'. {path}; printf "%s\\n" "$A" "${{iommu-none}}"'
    argv = ["dash", "-ec", show]
    told = subprocess.run(argv, capture_output=True, check=False)  # noqa: S603
    meant = re.search(r"GRUB_CMDLINE_\w+=[^\s;]+ .*iommu=", text) is not None
    stray = meant and b"\nnone\n" not in told.stdout
    broken = bool(told.returncode) or b"\r" in told.stdout
    assert broken or stray == bool(faults)
