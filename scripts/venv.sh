# Sourced by the scripts beside it: finds a Python, makes .venv if one is needed.
# Set $extra to "", "test" or "fuzz" first; leaves $root, $venv and $python.
# With "" the system's own Python serves if it has the packages of setup.cfg.

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
venv="${VFIO_DOCTOR_VENV:-$root/.venv}"
python="$venv/bin/python"
mark="$venv/.installed${extra:+-$extra}"

stop() {
    printf '%s\n' "$@" >&2
    exit 2
}

# A zip of the repository, or Git on Windows, makes files of these links.
has_its_links() {
    [ -e "$root/vfio_doctor/checks/__init__.py" ] &&
        [ -e "$root/vfio_doctor/fixes/__init__.py" ]
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            printf '%s\n' "$name"
            return
        fi
    done
}

# Whether a Python has what setup.cfg asks for, by name and version.
has_packages() {
    "$1" -I - "$root/setup.cfg" 2>/dev/null <<'END'
import sys
from configparser import ConfigParser
from importlib.metadata import version

def numbers(text):
    return [int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")]

settings = ConfigParser()
settings.read(sys.argv[1])
for line in settings["options"]["install_requires"].split():
    name, _, least = line.partition(">=")
    __import__(name)
    if numbers(version(name)) < numbers(least):
        sys.exit(1)
END
}

make_venv() {
    [ -n "$base" ] || stop "Python 3.11 or newer is needed." \
        "  Debian, Ubuntu:  sudo apt install python3 python3-venv" \
        "  Fedora:          sudo dnf install python3"
    "$base" -I -c 'import venv, ensurepip' 2>/dev/null || stop \
        "This Python cannot make virtual environments: a package is missing." \
        "  Debian, Ubuntu:  sudo apt install python3-venv"
    mkdir -p "$venv" 2>/dev/null && [ -w "$venv" ] || stop \
        "The packages of vfio-doctor cannot be put into $venv:" \
        "this account may not write there. Name another folder for them:" \
        "  VFIO_DOCTOR_VENV=~/.cache/vfio-doctor/venv $0" \
        "or install python3-click, python3-pyudev and python3-tabulate."
    echo "Making $venv (once) ..." >&2
    clear=""
    [ ! -e "$venv/pyvenv.cfg" ] || clear=--clear
    "$base" -I -m venv $clear "$venv" || stop "$base -m venv $venv failed, see above."
    "$python" -I -c "$which" >"$venv/.python"
}

# Only what the program needs is installed: it runs from the checkout itself, which
# need not be writable.
needed() {
    "$python" -I - "$root/setup.cfg" "$extra" <<'END'
import sys
from configparser import ConfigParser

settings = ConfigParser()
settings.read(sys.argv[1])
print(settings["options"]["install_requires"])
print(settings["options.extras_require"].get(sys.argv[2], ""))
END
}

install_into_venv() {
    echo "Installing what setup.cfg asks for${extra:+ ($extra)} ..." >&2
    needed >"$venv/requirements.txt"
    "$python" -I -m pip install --quiet --disable-pip-version-check \
        -r "$venv/requirements.txt" >&2 || stop \
        "The packages could not be installed, see above." \
        "Without a network: fill a folder elsewhere with" \
        "  pip download -d FOLDER -r $venv/requirements.txt" \
        "and come back with  PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER"
    cp "$root/setup.cfg" "$mark"
}

# An upgraded system has another Python behind the same link. An environment that
# somebody made by hand is taken over as it is, if packages can be put into it.
which='import sys; print(*sys.version_info[:2], sep=".")'
is_made() {
    [ -x "$python" ] || return 1
    [ -e "$venv/.python" ] || take_over
    [ "$("$python" -I -c "$which" 2>/dev/null)" = "$(cat "$venv/.python" 2>/dev/null)" ]
}
take_over() {
    ! "$python" -I -m pip --version >/dev/null 2>&1 ||
        "$python" -I -c "$which" >"$venv/.python"
}

is_installed() {
    [ -e "$mark" ] && [ "$(cat "$mark")" = "$(cat "$root/setup.cfg")" ] && is_made
}

# A program that is run, not tested, can do with the system's packages.
system_serves() {
    [ -z "$extra" ] && [ -z "${VFIO_DOCTOR_VENV:-}" ] && [ -n "$base" ] &&
        has_packages "$base"
}

has_its_links || stop \
    "This checkout is not whole: vfio_doctor/checks and vfio_doctor/fixes have to be" \
    "links to the folders beside vfio_doctor. Clone the repository with Git on Linux," \
    "or make them:  cd $root/vfio_doctor && ln -sfn ../checks ../fixes ."
if ! is_installed; then
    base=$(find_python)
    if system_serves; then
        python=$base
    else
        is_made || make_venv
        install_into_venv
    fi
fi
