from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse.udev_rules import (
    FaultKind,
    Term,
    parse_udev_rules,
    replace_value,
)

OWNER = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="qemu", MODE="0660"'


@for_each(
    ("text", "terms"),
    [
        pytest.param('KERNEL=="a"', [("KERNEL", "", "==", "a")], id="match"),
        pytest.param('KERNEL!="a"', [("KERNEL", "", "!=", "a")], id="no-match"),
        pytest.param('TAG+="x"', [("TAG", "", "+=", "x")], id="add"),
        pytest.param('TAG-="x"', [("TAG", "", "-=", "x")], id="remove"),
        pytest.param('MODE:="0600"', [("MODE", "", ":=", "0600")], id="final"),
        pytest.param(
            'ACTION=="add" SUBSYSTEM=="usb",,TAG+="uaccess",',
            [
                ("ACTION", "", "==", "add"),
                ("SUBSYSTEM", "", "==", "usb"),
                ("TAG", "", "+=", "uaccess"),
            ],
            id="missing-and-spare-commas",
        ),
        pytest.param(
            'ENV{A B} = "x y"', [("ENV", "A B", "=", "x y")], id="attribute-and-blanks"
        ),
        pytest.param('TAG+="a\\"b"', [("TAG", "", "+=", 'a"b')], id="quoted-quote"),
        pytest.param(
            'TAG+="a\\nb"', [("TAG", "", "+=", "a\\nb")], id="plain-backslash"
        ),
        pytest.param('TAG+=e"a\\nb"', [("TAG", "", "+=", "a\nb")], id="escape"),
        pytest.param(
            'TAG+=e"\\x41\\102\\s\\\\"', [("TAG", "", "+=", "AB \\")], id="codes"
        ),
        pytest.param(
            'TAG+="a"TAG+="b"',
            [("TAG", "", "+=", "a"), ("TAG", "", "+=", "b")],
            id="glued",
        ),
    ],
)
def test_terms(text: str, terms: list[tuple[str, str, str, str]]) -> None:
    (rule,) = parse_udev_rules(text).lines
    assert [term[:4] for term in rule.terms] == terms
    assert rule.problem is None


@for_each(
    ("text", "word"),
    [
        pytest.param('KERNEL="kvmfr0", MODE="0660"', "KERNEL", id="match-assigned"),
        pytest.param('SUBSYSTEM="kvmfr"', "SUBSYSTEM", id="subsystem-assigned"),
        pytest.param('OWNER=="root"', "OWNER", id="owner-compared"),
        pytest.param('OWNER-="root"', "OWNER", id="owner-removed"),
        pytest.param('GOTO+="x"', "GOTO", id="goto-added"),
        pytest.param('ENV-="x"', "ENV", id="env-without-attribute"),
        pytest.param('ENV{A}-="x"', "ENV", id="env-removed"),
        pytest.param('KERNEL{x}=="y"', "KERNEL", id="attribute-refused"),
        pytest.param('KERNEL{}=="y"', "KERNEL", id="empty-attribute"),
        pytest.param('IMPORT{nothing}="y"', "IMPORT{nothing}", id="import-kind"),
        pytest.param('CONST{os}=="y"', "CONST{os}", id="const-kind"),
        pytest.param('WAIT_FOR=="y"', "WAIT_FOR", id="unknown-key"),
        pytest.param('MODE=i"0660"', "MODE", id="ignore-case-assigned"),
        pytest.param("MODE=0660", "MODE", id="no-quotes"),
        pytest.param('MODE="0660', "MODE", id="open-quote"),
        pytest.param('MODE "0660"', "MODE", id="no-operator"),
        pytest.param("MODE", "MODE", id="key-alone"),
        pytest.param('ENV{A="b"', "ENV", id="open-brace"),
        pytest.param('TAG+=ee"x"', "TAG", id="prefix-twice"),
        pytest.param('TAG+=e"\\q"', "TAG", id="bad-escape"),
        pytest.param('TAG+=e"\\x4"', "TAG", id="short-escape"),
        pytest.param('MODE="0660" # comment', "# comment", id="comment-behind"),
        pytest.param('MODE="0660", \\', "unfinished", id="open-continuation"),
        pytest.param('MODE="0660", \\\n', "unfinished", id="continued-by-nothing"),
        pytest.param(f'TAG+="{"x" * 17000}"', "too-long", id="too-long"),
    ],
)
def test_dropped_lines(text: str, word: str) -> None:
    (rule,) = parse_udev_rules(text).lines
    assert rule.problem
    assert word in (rule.problem.kind.value, rule.problem.key) or (
        rule.problem.kind is FaultKind.NOT_A_TERM and word in rule.problem.text
    )
    assert rule.terms == ()
    assert len(parse_udev_rules(text).problems) == 1


def test_continuation_keeps_raw_text_and_numbers() -> None:
    raw = 'SUBSYSTEM=="kvmfr", \\\n  # why, \\\n   MODE="0660"'
    text = f"# comment \\\n\n{raw}\r\n\nTAG+=i\n"
    first, second = parse_udev_rules(text).lines
    assert (first.first, first.last, first.raw) == (3, 5, raw)
    assert [term.key for term in first.terms] == ["SUBSYSTEM", "MODE"]
    assert (second.first, second.raw) == (7, "TAG+=i")


def test_blank_line_ends_a_continuation() -> None:
    first, second = parse_udev_rules('TAG+="a", \\\n\nTAG+="b"').lines
    assert (first.terms[0].value, second.terms[0].value) == ("a", "b")


def test_ignore_case_prefix() -> None:
    (rule,) = parse_udev_rules('KERNEL==i"KVMFR0", SUBSYSTEM==ei"x"').lines
    assert [term.ignore_case for term in rule.terms] == [True, True]


@for_each(
    ("line", "new"),
    [
        pytest.param(OWNER, OWNER.replace("root", "alice"), id="one-line"),
        pytest.param(
            'SUBSYSTEM=="kvmfr" \\\n # OWNER="x"\n\tOWNER = e"root" ,MODE="1"',
            'SUBSYSTEM=="kvmfr" \\\n # OWNER="x"\n\tOWNER = e"alice" ,MODE="1"',
            id="continued-with-comment",
        ),
        pytest.param('OWNER="a", OWNER:=""', 'OWNER="alice", OWNER:="alice"', id="two"),
        pytest.param(
            'ENV{OWNER}="a", OWNER="b"', 'ENV{OWNER}="a", OWNER="alice"', id="env"
        ),
    ],
)
def test_replace_value(line: str, new: str) -> None:
    assert replace_value(line, "OWNER", "alice") == new


@for_each(
    ("line", "new"),
    [('MODE="1"', "alice"), (OWNER, 'a"b'), (OWNER, "a\nb"), ("", "alice")],
)
def test_replace_value_refuses(line: str, new: str) -> None:
    with pytest.raises(ValueError, match="udev rule|no OWNER"):
        replace_value(line, "OWNER", new)


RULE_CHARS = st.text(
    alphabet=st.sampled_from('KERNELTAGOW=!+-:"\\ {}ei,#\n\r\tx0|*\0é'), max_size=60
)


@given(st.one_of(st.text(max_size=80), RULE_CHARS))
def test_never_raises(text: str) -> None:
    rules = parse_udev_rules(text)
    assert len(rules.problems) == sum(bool(rule.problem) for rule in rules.lines)
    for rule in rules.lines:
        assert 1 <= rule.first <= rule.last


NAMES = st.text(alphabet="abcz019_-$.", min_size=1, max_size=12)


@given(NAMES, NAMES, st.sampled_from([" ", "", " \\\n  "]))
def test_replacing_changes_the_owner_and_nothing_else(
    old: str, new: str, gap: str
) -> None:
    line = f'SUBSYSTEM=="kvmfr",{gap}OWNER="{old}",{gap}MODE="0660"'
    changed = replace_value(line, "OWNER", new)
    (before,), (after,) = parse_udev_rules(line).lines, parse_udev_rules(changed).lines
    assert after.terms == tuple(
        Term("OWNER", "", "=", new) if term.key == "OWNER" else term
        for term in before.terms
    )
    assert replace_value(changed, "OWNER", old) == line
