# Sourced by scripts/run, scripts/test and scripts/bench: make .venv on first use.
# Set $extra to "" or "test" first; leaves $root, $venv and $python.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 2
venv="${VFIO_DOCTOR_VENV:-$root/.venv}"
python="$venv/bin/python"

stop() {
    printf '%s\n' "$@" >&2
    exit 2
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            printf '%s\n' "$name"
            return
        fi
    done
}

make_venv() {
    base=$(find_python)
    [ -n "$base" ] || stop "Python 3.11 or newer is needed." \
        "  Debian, Ubuntu:  sudo apt install python3 python3-venv" \
        "  Fedora:          sudo dnf install python3"
    "$base" -c 'import venv, ensurepip' 2>/dev/null || stop \
        "This Python cannot make virtual environments: a package is missing." \
        "  Debian, Ubuntu:  sudo apt install python3-venv"
    echo "Making $venv (once) ..." >&2
    "$base" -m venv "$venv" || stop "$base -m venv $venv failed, see above."
}

install_into_venv() {
    wanted="$root${1:+[$1]}"
    mark="$venv/.installed${1:+-$1}"
    if [ -e "$mark" ] && [ ! "$root/setup.cfg" -nt "$mark" ]; then
        return
    fi
    echo "Installing what setup.cfg asks for${1:+ ($1)} ..." >&2
    "$python" -m pip install --quiet --disable-pip-version-check -e "$wanted" >&2 || stop \
        "The packages could not be installed, see above." \
        "Without a network: fill a folder elsewhere with" \
        "  pip download -d FOLDER setuptools wheel '.${1:+[$1]}'" \
        "and come back with  PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER"
    touch "$mark"
}

[ -x "$python" ] || make_venv
install_into_venv "$extra"
