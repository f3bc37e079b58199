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
    try:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            from vfio_doctor.app.streams import stand_in

            stand_in()
        elif sys.argv[1:] in (["--version"], ["-V"]):
            print(f"vfio-doctor {__version__}", flush=True)
            return
        _hurry()
        from vfio_doctor.cli import status

        _leave(status(sys.argv[1:]))
    except KeyboardInterrupt:
        # While it starts: later ones are click's.
        sys.exit(130)
    except OSError as error:
        _unwritable(error)


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
        _inspect_when_used()


def _inspect_when_used() -> None:
    """Let the module inspect, a third of what click costs, wait until it is needed.

    A plain run has click clean one line of help for each option, which is done here.
    """

    class Later(type(sys)):  # type: ignore[misc]
        def __getattr__(self, name: str) -> object:
            from importlib import import_module

            sys.modules.pop("inspect", None)
            self.__dict__.update(vars(import_module("inspect")))
            try:
                return self.__dict__[name]
            except KeyError:
                raise AttributeError(name) from None

    def cleandoc(text: str) -> str:
        if "\n" not in text:
            return text.expandtabs().lstrip()
        from importlib import import_module

        sys.modules.pop("inspect", None)
        return str(import_module("inspect").cleandoc(text))

    if "inspect" not in sys.modules:
        later = sys.modules["inspect"] = Later("inspect")
        later.__dict__["cleandoc"] = cleandoc


def forget_current_folder() -> None:
    """Import nothing more from where we stand: ``python -m`` looks there first.

    A checkout is left as it is: there the program itself comes from that folder.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    first = sys.path[0] if sys.path and not sys.flags.safe_path else ""
    if first == os.getcwd() and first != here:
        del sys.path[0]


if __name__ == "__main__":
    forget_current_folder()
    main()
