"""`NamedTuple` as typing has it, at a tenth of the cost to define one.

typing.NamedTuple compiles a constructor, and every annotation, of every class. A
run defines more than a hundred classes: 0.16 ms each are two more starts of Python.
Type checkers see typing's own; what instances can do is the same.

`Variant` is for values that are one of several kinds, such as changes and steps:
``UdevTrigger("kvmfr")`` and ``RestartService("kvmfr")`` are the same tuple, but
never equal, and they hash apart. `Protocol` is typing's for a type checker, and
nothing for a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple, Protocol
    from typing import NamedTuple as Variant
else:
    from collections import namedtuple

    # The C descriptor that namedtuple reads its fields with.
    _getter = type(namedtuple("_One", "field").field)
    _tuple = tuple.__new__

    class Protocol:
        """What describes a shape names as its base; type checkers hold it."""

    class _Definition(type):
        """Turn the class statement into a plain class derived from tuple."""

        def __new__(mcs, name, bases, body):
            if bases[0] is tuple or name == "Variant":
                return super().__new__(mcs, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            body["_fields"] = body["__match_args__"] = fields
            defaults = {f: body[f] for f in fields if f in body}
            body["_field_defaults"] = defaults
            body["_size"], body["_tail"] = len(fields), tuple(defaults.values())
            for at, field in enumerate(fields):
                body[field] = _getter(at, "")
            methods = _METHODS if bases == (NamedTuple,) else _VARIANT_METHODS
            return type(name, (tuple,), {**methods, **body})

    class NamedTuple(tuple, metaclass=_Definition):
        """What value types name as their base."""

    class Variant(NamedTuple):
        """What kinds of one thing name as their base: equal only within a kind."""

    def _new(cls, *given, **named):
        missing = cls._size - len(given)
        if not named:
            if not missing:
                return _tuple(cls, given)
            if 0 < missing <= len(cls._tail):
                return _tuple(cls, given + cls._tail[-missing:])
        if named or missing > 0:
            given = (*given, *_rest(cls, cls._fields[len(given) :], named))
        if named or len(given) != cls._size:
            wrong = f"unexpected {', '.join(named)}" if named else "too many values"
            raise TypeError(f"{cls.__name__}: {wrong}")
        return _tuple(cls, given)

    def _rest(cls, fields, named):
        """Take named values and defaults; what is taken leaves ``named``."""
        defaults = cls._field_defaults
        missing = [f for f in fields if f not in named and f not in defaults]
        if missing:
            raise TypeError(f"{cls.__name__}: no value for {', '.join(missing)}")
        return [named.pop(f) if f in named else defaults[f] for f in fields]

    def _asdict(self):
        """Return the fields and their values, in order."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, /, **named):
        """Return the same value with some fields replaced."""
        cls = type(self)
        values = [named.pop(f, v) for f, v in zip(cls._fields, self, strict=True)]
        if named:
            raise TypeError(f"{cls.__name__}: unexpected {', '.join(named)}")
        return _tuple(cls, values)

    def _repr(self):
        inside = ", ".join(f"{name}={value!r}" for name, value in _asdict(self).items())
        return f"{type(self).__name__}({inside})"

    def _eq(self, other):
        return type(self) is type(other) and tuple.__eq__(self, other)

    def _ne(self, other):
        return not _eq(self, other)

    def _hash(self):
        return hash((type(self), tuple.__hash__(self)))

    _METHODS = {
        "__slots__": (),
        "__new__": _new,
        "__repr__": _repr,
        "__getnewargs__": lambda self: tuple(self),
        "_make": classmethod(lambda cls, values: cls(*values)),
        "_asdict": _asdict,
        "_replace": _replace,
    }
    _VARIANT_METHODS = {**_METHODS, "__eq__": _eq, "__ne__": _ne, "__hash__": _hash}

__all__ = ["NamedTuple", "Protocol", "Variant"]
