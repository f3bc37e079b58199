"""Start the program: ``python -m vfio_doctor``, and the console command."""

from __future__ import annotations

import os
import sys

from vfio_doctor import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    """Run the command line; answer ``--version`` alone without importing click."""
    forget_python_path()
    try:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            from vfio_doctor.app.streams import stand_in

            stand_in()
        elif sys.argv[1:] in (["--version"], ["-V"]):
            print(f"vfio-doctor {__version__}", flush=True)
            return
        _hurry()
        _leave(_status(sys.argv[1:]))
    except KeyboardInterrupt as stop:
        # What click runs, it answers itself.
        if stop.args:
            from vfio_doctor.app.repair_machine import to_stderr

            to_stderr(str(stop))
        sys.exit(130)
    except OSError as error:
        _unwritable(error)


def _status(words: list[str]) -> int:
    """Run what the words say, a plain diagnosis without importing click."""
    from vfio_doctor.app.plain import read

    chosen = read(words)
    if chosen is None:
        from vfio_doctor.cli import status

        return status(words)
    from vfio_doctor.app.printed import run
    from vfio_doctor.app.settings import with_settings

    try:
        return run(with_settings(chosen))
    except Exception as error:
        from vfio_doctor.cli import failed_without_click

        return failed_without_click(error, words)


def _leave(status: int) -> NoReturn:
    """Leave without taking the interpreter apart: a tenth of a run goes into that.

    All files of ours are closed by then. Raises OSError if nobody takes the output.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _unwritable(error: OSError) -> NoReturn:
    """Say that nobody can read what is printed, and leave without another try."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    print(f"vfio-doctor: cannot write: {error.strerror}", file=sys.stderr)
    sys.exit(2)


def _hurry() -> None:
    """Take from Python what only costs time in a run that is soon over.

    Imports make some hundred thousand objects that all stay: looking for garbage
    among them every 700 costs a twentieth of a run. From Python 3.15 on a module is
    imported when a name of it is used (PEP 810).
    """
    import gc

    gc.set_threshold(50_000, 20, 20)
    later = getattr(sys, "set_lazy_imports", None)
    if later is not None:
        later("all")
    else:
        _import_when_used("typing", TYPE_CHECKING=False)
        _import_when_used("inspect", cleandoc=_cleandoc)


def _import_when_used(module: str, **known: object) -> None:
    """Let a module of Python's own wait until more than ``known`` is asked of it.

    Every file of ours asks typing for TYPE_CHECKING, and nearly none for more: that
    is half a start of Python. inspect is a third of what click costs.
    """

    class Later(type(sys)):  # type: ignore[misc]
        def __getattr__(self, name: str) -> object:
            if name == "__path__":
                # Each `from ... import` asks whether it is a package.
                raise AttributeError(name)
            self.__dict__.update(vars(_imported(module)))
            try:
                return self.__dict__[name]
            except KeyError:
                raise AttributeError(name) from None

    if module not in sys.modules:
        later = sys.modules[module] = Later(module)
        later.__dict__.update(known)


def _imported(module: str) -> object:
    """Import what had to wait until now."""
    from importlib import import_module

    sys.modules.pop(module, None)
    return import_module(module)


def _cleandoc(text: str) -> str:
    """Do for one line what inspect does: click cleans one for each option."""
    if "\n" not in text:
        return text.expandtabs().lstrip()
    return str(_imported("inspect").cleandoc(text))  # type: ignore[attr-defined]


def forget_current_folder() -> None:
    """Import nothing more from where we stand: ``python -m`` looks there first.

    A checkout is left as it is: there the program itself comes from that folder.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    first = sys.path[0] if sys.path and not sys.flags.safe_path else ""
    if first == os.getcwd() and first != here:
        del sys.path[0]


def forget_python_path() -> None:
    """Import nothing as root from where PYTHONPATH points: anybody may write there.

    The interpreter's own folders stay, and the one that the program comes from.
    """
    said = os.environ.get("PYTHONPATH")
    if not said or os.geteuid() != 0:
        return
    roots = (sys.prefix, sys.base_prefix, f"{sys.base_prefix}/local")
    own = tuple(f"{root}/lib" for root in roots)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for each in said.split(os.pathsep):
        folder = os.path.abspath(each)
        if folder != here and not folder.startswith(own):
            sys.path[:] = [one for one in sys.path if one not in (each, folder)]


if __name__ == "__main__":
    forget_current_folder()
    main()
