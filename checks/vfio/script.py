"""Scripts that take the place of loading vfio-pci."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    ImageCommands,
    ImageKind,
    InitramfsOrder,
    InstallScripts,
    Iterator,
    Message,
    NotApplicable,
    Place,
    Script,
    Severity,
    WantedDevices,
    Why,
    in_order,
    is_late,
    kms_drivers,
    known,
    lacks_line,
    never_loads,
    say,
)

NO_SCRIPT = say("vfio-script-none", "no `install vfio-pci` line stands in modprobe.d")
GONE = say(
    "vfio-script-gone",
    "{path}, which is to run in place of loading vfio-pci, is not there: vfio-pci is"
    " never loaded.",
)
NEVER_LOADS = say(
    "vfio-script-never-loads",
    "{path} runs in place of loading vfio-pci, and does not load it: nothing does.",
)
LOADS = say("vfio-script-loads", "`modprobe -i vfio-pci` at its end")
LOAD_IT = say(
    "vfio-script-load-it",
    "Write `modprobe -i vfio-pci` as its last line (without -i it calls itself), and"
    " build the initramfs anew if it holds the script.",
)
NOT_IN_IMAGE = say(
    "vfio-script-not-in-image",
    "{tool} loads vfio-pci in the initramfs, but {path}, which is to run in its place,"
    " is not in the image: it takes no card at that time.",
)
NOT_IN_IMAGE_LATE = say(
    "vfio-script-not-in-image-driver-first",
    "{tool} loads {driver} before vfio-pci in the initramfs, and {path}, which is to"
    " run in place of vfio-pci, is not in the image: {driver} takes every card first.",
)
DRIVER_FIRST = say(
    "vfio-script-driver-first",
    "{tool} loads {driver} before vfio-pci in the initramfs: {driver} takes every card"
    " before {path} can bind one by its address.",
)
THERE = say("vfio-script-there", "a script that can be run")
INCLUDED = say("vfio-script-included", "{path} in the image")
NOT_COPIED = say("vfio-script-not-copied", "no script in {folder} copies it")
BEFORE = say("vfio-script-before", "vfio_pci before {driver}")
WRITE = say(
    "vfio-script-write",
    "Write the script, or take the `install vfio-pci` line out of modprobe.d.",
)
INCLUDE = {
    ImageKind.MKINITCPIO: say(
        "vfio-script-include", "Add {path} to FILES in {config}."
    ),
    ImageKind.DRACUT: say(
        "vfio-script-include-dracut", 'Write `install_items+=" {path} "` to {config}.'
    ),
    ImageKind.INITRAMFS_TOOLS: say(
        "vfio-script-include-debian",
        "Have a script in /etc/initramfs-tools/hooks copy it into the image: `copy_exec"
        " {path}` does that.",
    ),
}
PUT_FIRST = say(
    "vfio-script-put-first",
    "Put vfio_pci before every graphics driver in {variable}{config}.",
)
ADD_HOOK = say(
    "vfio-script-add-hook", "Add modconf to HOOKS in {config}, after autodetect."
)
BUILD = say(
    "vfio-script-build",
    "Build the image anew (`{command}`). Then reboot: the card is bound by its address,"
    " so its twin stays with the host.",
)
NO_MODCONF = say(
    "vfio-script-no-modconf",
    "{tool} loads vfio-pci in the initramfs, but has no modconf hook: the line that"
    " runs {path} is not in the image, so nothing binds a card by its address.",
)
MODCONF = say("vfio-script-modconf", "modconf among the hooks")
KMS = say(
    "vfio-script-kms",
    "The kms hook of {tool} loads {driver} in the initramfs, and vfio-pci is not loaded"
    " there: {driver} takes every card before {path} can bind one by its address.",
)
LOADED = say("vfio-script-loaded", "vfio_pci among MODULES")
NOT_EXECUTABLE = say(
    "vfio-script-not-executable",
    "{path}, which is to run in place of loading vfio-pci, is not executable: modprobe"
    " cannot run it, and vfio-pci is never loaded.",
)
EXECUTABLE = say("vfio-script-executable", "0755")
CHMOD = say("vfio-script-chmod", "Run `sudo chmod 755 {path}`.")
MAKE_EXECUTABLE = say(
    "vfio-script-make-executable",
    "Run `sudo chmod 755 {path}`, and build the initramfs anew if it holds the script.",
)
# What each builder calls its list of modules, and of files.
MODULE_LISTS = {
    ImageKind.MKINITCPIO: "MODULES",
    ImageKind.DRACUT: "force_drivers",
    ImageKind.INITRAMFS_TOOLS: "",
}
FILE_LISTS = {ImageKind.MKINITCPIO: "FILES", ImageKind.DRACUT: "install_items"}
HOOKS_FOLDER = "/etc/initramfs-tools/hooks"


class VfioScriptIdle(Check):
    """The script that is to bind the guest's card does not run in time.

    What it does:
    If modprobe.d runs a script in place of loading vfio-pci (`install vfio-pci ...`),
    this looks whether the script is there, is executable and loads the module at last,
    and, if mkinitcpio, dracut or initramfs-tools loads vfio-pci in the initramfs,
    whether the script is in the image and no graphics driver is loaded before it. With
    mkinitcpio it looks at the hooks as well: modconf takes modprobe.d into the image,
    and kms loads graphics drivers.

    Why is this bad?
    Two cards of the same model have the same ids, so a script has to tell vfio-pci by
    address which one is the guest's. If it does not run, or runs after amdgpu or
    nvidia, the host has both cards, and the VM gets none.

    How it is repaired:
    By hand: add the script to the image, put vfio_pci first, build the image anew.

    See it yourself:
        grep -r 'install vfio-pci' /etc/modprobe.d
        grep -e ^MODULES -e ^FILES /etc/mkinitcpio.conf
        lsinitcpio /boot/initramfs-linux.img | grep vfio

    False alarms:
    If the script is meant to run later than the initramfs, and no graphics driver is
    loaded there, take vfio_pci out of MODULES and this is silent. A script that gets
    into the image by ways that were not looked at is taken for missing.
    """

    id = "vfio-script-idle"
    severity = Severity.ERROR
    title = "The script that binds the guest's card does not run"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a script."""
        scripts = [one for one in facts[InstallScripts].scripts if one.path]
        if not scripts:
            if unread := facts[InstallScripts].unread:
                known(unread)
            facts[WantedDevices].demand()
            raise NotApplicable(NO_SCRIPT)
        order = facts[InitramfsOrder]
        for script in scripts:
            found: tuple[Finding, ...] = ()
            if isinstance(script.text, str):
                found = tuple(_in_time(script, order, facts))
            yield from (_may_run(one, script) for one in found)
            if not found:
                yield from _run_at_all(script)


def _run_at_all(script: Script) -> Iterator[Finding]:
    """Yield that a script is not there, or that modprobe cannot run it."""
    if isinstance(script.text, str):
        if not script.is_executable:
            yield _not_executable(script)
        return
    if script.text.why is not Why.ABSENT:
        known(script.text)
    row = Evidence(script.source, script.command, THERE)
    message = GONE.filled(path=script.path)
    yield Finding(_place(script), message, (row,), None, WRITE)


def _in_time(script: Script, order: InitramfsOrder, facts: Facts) -> Iterator[Finding]:
    if never_loads(script):
        message = NEVER_LOADS.filled(path=script.path)
        rows = (Evidence(script.source, script.command, LOADS),)
        yield Finding(_place(script), message, rows, None, LOAD_IT)
    elif lacks_line(script, order):
        yield _no_modconf(script, order, facts)
    elif is_late(script, order):
        yield _idle(script, order, facts)
    else:
        yield from _too_late(script, order, facts)


def _may_run(finding: Finding, script: Script) -> Finding:
    """Return what is worse about a script, and that it has to be executable too."""
    if script.is_executable or not isinstance(finding.advice, Message):
        return finding
    advice = in_order(CHMOD.filled(path=script.path), finding.advice)
    return finding._replace(advice=advice, evidence=(*finding.evidence, _mode(script)))


def _mode(script: Script) -> Evidence:
    return Evidence(script.path, f"{script.mode:04o}", EXECUTABLE)


def _not_executable(script: Script) -> Finding:
    row = _mode(script)
    message = NOT_EXECUTABLE.filled(path=script.path)
    advice = MAKE_EXECUTABLE.filled(path=script.path)
    return Finding(_place(script), message, (row,), None, advice)


def _no_modconf(script: Script, order: InitramfsOrder, facts: Facts) -> Finding:
    """Return that the image has no modprobe.d, and no line that runs the script."""
    row = Evidence(order.config, _shown("HOOKS", order.hooks), MODCONF)
    message = NO_MODCONF.filled(tool=order.tool.value, path=script.path)
    add, build = ADD_HOOK.filled(config=order.config), _build(order, facts)
    advice = in_order(add, _include(script, order), _put_first(order), build)
    return Finding(_place(script), message, (row,), None, advice)


def _too_late(script: Script, order: InitramfsOrder, facts: Facts) -> Iterator[Finding]:
    """Yield that the kms hook loads the driver of both twins before the script runs."""
    for driver in kms_drivers(order, facts):
        row = Evidence(order.config, _shown("HOOKS", order.hooks), LOADED)
        message = KMS.filled(tool=order.tool.value, driver=driver, path=script.path)
        put = _put_first(order, late=True)
        advice = in_order(_include(script, order), put, _build(order, facts))
        yield Finding(_place(script), message, (row,), None, advice)


def _idle(script: Script, order: InitramfsOrder, facts: Facts) -> Finding:
    path, tool = script.path, order.tool.value
    missing = not order.holds(path)
    driver = order.earlier
    said = {"tool": tool, "path": path} | ({"driver": driver} if driver else {})
    text = (
        NOT_IN_IMAGE if not driver else NOT_IN_IMAGE_LATE if missing else DRIVER_FIRST
    )
    rows = tuple(_rows(script, order, missing))
    advice = in_order(_include(script, order), _put_first(order), _build(order, facts))
    return Finding(_place(script), text.filled(**said), rows, None, advice)


def _include(script: Script, order: InitramfsOrder) -> Message | None:
    if order.holds(script.path):
        return None
    text, config = INCLUDE[order.tool], order.config
    debian = order.tool is ImageKind.INITRAMFS_TOOLS
    said = {"path": script.path} | ({} if debian else {"config": config})
    return text.filled(**said)


def _put_first(order: InitramfsOrder, late: bool = False) -> Message | None:
    """Return that vfio-pci comes first, if a driver does, or if it is not loaded."""
    if not (order.earlier or late):
        return None
    variable = MODULE_LISTS[order.tool]
    before = f"{variable} in " if variable else ""
    return PUT_FIRST.filled(variable=before, config=order.config)


def _build(order: InitramfsOrder, facts: Facts) -> Message:
    return BUILD.filled(command=facts[ImageCommands].of(order.tool))


def _rows(script: Script, order: InitramfsOrder, missing: bool) -> Iterator[Evidence]:
    yield Evidence(script.source, script.command)
    if missing:
        yield Evidence(order.config, _files(order), _included(script))
    if order.earlier:
        before = BEFORE.filled(driver=order.earlier)
        variable = MODULE_LISTS[order.tool]
        yield Evidence(order.config, _shown(variable, order.modules), before)


def _files(order: InitramfsOrder) -> str | Message:
    name = FILE_LISTS.get(order.tool)
    return _shown(name, order.files) if name else NOT_COPIED.filled(folder=HOOKS_FOLDER)


def _included(script: Script) -> Message:
    return INCLUDED.filled(path=script.path)


def _shown(name: str, words: tuple[str, ...]) -> str:
    shown = " ".join(words)
    return f"{name}=({shown})" if name else shown


def _place(script: Script) -> Place:
    path, _, line = script.source.rpartition(":")
    return FilePlace(path, int(line))
