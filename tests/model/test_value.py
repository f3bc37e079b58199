from __future__ import annotations

import copy
import pickle
import typing

import pytest

from support.rows import for_each
from vfio_doctor.model import Change, RestartService, Step, UdevTrigger
from vfio_doctor.value import NamedTuple, Variant


class Ours(NamedTuple):
    """A page."""

    name: str
    size: int = 3
    more: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Ours:
        return cls(text)

    @property
    def twice(self) -> int:
        return 2 * self.size


class Theirs(typing.NamedTuple):
    """A page."""

    name: str
    size: int = 3
    more: tuple[str, ...] = ()


CALLS: list[tuple[tuple[object, ...], dict[str, object]]] = [
    (("a",), {}),
    (("a", 1), {}),
    (("a", 1, ("b",)), {}),
    ((), {"name": "a"}),
    (("a",), {"more": ("x",)}),
    ((), {"more": (), "size": 0, "name": "a"}),
    ((), {}),
    (("a", 1, (), 4), {}),
    (("a",), {"name": "b"}),
    (("a",), {"other": 1}),
    (("a", 1, ()), {"more": ()}),
]


def made(kind: typing.Any, call: typing.Any) -> object:
    try:
        value = kind(*call[0], **call[1])
    except TypeError:
        return TypeError
    return (tuple(value), value._asdict(), repr(value).partition("(")[2])


@for_each("call", CALLS, ids=str)
def test_it_takes_what_typing_takes(call: object) -> None:
    assert made(Ours, call) == made(Theirs, call)


def test_it_is_a_tuple_with_names() -> None:
    value: Ours = Ours.of("a")
    assert (value.name, value.size, value.twice) == ("a", 3, 6)
    assert tuple(value) == ("a", 3, ())
    assert hash(value) == hash(("a", 3, ()))
    assert value._replace(size=4) == Ours("a", 4)
    assert Ours._make(("a", 1, ())) == Ours("a", 1)
    assert Ours._fields == Theirs._fields == Ours.__match_args__
    assert Ours._field_defaults == Theirs._field_defaults
    assert Ours.__doc__ == Theirs.__doc__
    assert Ours.__module__ == __name__
    assert typing.get_type_hints(Ours) == typing.get_type_hints(Theirs)


def test_it_is_frozen_and_can_be_copied() -> None:
    value = Ours("a")
    with pytest.raises(AttributeError):
        value.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        value.other = 1  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == value


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="unexpected other"):
        Ours("a")._replace(other=1)  # type: ignore[call-arg]


def test_patterns_match() -> None:
    match Ours("a", 1):
        case Ours(name, size):
            assert (name, size) == ("a", 1)


class One(Variant):
    """A kind."""

    name: str


class Other(Variant):
    """Another kind of the same thing."""

    name: str


def test_kinds_are_never_equal_and_hash_apart() -> None:
    one: typing.Any = One("a")
    same, other = One("a"), Other("a")
    assert (one == same, one != same) == (True, False)
    assert (one == other, one != other) == (False, True)
    assert hash(one) == hash(same)
    assert one != ("a",)
    assert len({one, One("a"), Other("a"), ("a",)}) == 3
    assert hash(UdevTrigger("kvmfr")) != hash(RestartService("kvmfr"))
    for kind in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert kind == one


KINDS = [*typing.get_args(Change), *typing.get_args(Step)]


@for_each("kind", KINDS, ids=lambda kind: kind.__name__)
def test_changes_and_steps_are_kinds(kind: typing.Any) -> None:
    made = kind(*("x" for _ in kind._fields))
    assert made == kind(*made)
    assert made != tuple(made)
    assert {k for k in KINDS if k(*("x" for _ in k._fields)) == made} == {kind}
