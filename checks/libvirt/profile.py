"""Check of the AppArmor profiles that libvirt makes for virtual machines."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    AppArmor,
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Iterator,
    LibvirtIntent,
    Message,
    NotApplicable,
    QemuConf,
    Severity,
    known,
    say,
)

OFF = say("libvirt-profile-off", "AppArmor does not confine libvirt's VMs")
ABSENT = say(
    "libvirt-profile-include-absent",
    "libvirt's AppArmor profiles include {path}, which is not there: AppArmor refuses"
    " the profile of each VM, and none starts.",
)
INCLUDES = say("libvirt-profile-includes", "includes {path}, which has to be there")
IS_THERE = say("libvirt-profile-is-there", "a file there, which may be empty")
CREATE = say(
    "libvirt-profile-create",
    "Create the file: `sudo mkdir -p {folder}`, then `sudo touch {path}`. Then start"
    " the VM.",
)
UNFINISHED = say(
    "libvirt-profile-unfinished",
    "A rule in {file}, line {line}, lacks the comma that ends it: AppArmor refuses the"
    " profile of each VM, and none starts.",
)
FINISHED = say("libvirt-profile-finished", "a comma at its end")
FINISH = say(
    "libvirt-profile-finish", "Put a comma behind `{rule}` in {file}, and start the VM."
)
WRONG = say(
    "libvirt-profile-wrong",
    "AppArmor does not take the rule in {file}, line {line}: it refuses the profile of"
    " each VM, and none starts.",
)
RIGHT = say(
    "libvirt-profile-right", "a path, what is allowed, and a comma: /dev/kvmfr0 rw,"
)
CORRECT = say(
    "libvirt-profile-correct",
    "Correct that line: a rule is a path that starts with /, then what is allowed, such"
    " as rw, then a comma. Then start the VM.",
)


class LibvirtProfileRefused(Check):
    """AppArmor refuses the profiles of libvirt's virtual machines.

    What it does:
    Reads the abstraction that libvirt's profiles include, and all that it includes.
    It looks for a file that has to be there and is not, for a rule for files without
    the comma that ends it, and in files of your own for other rules that AppArmor
    does not take.

    Why is this bad?
    libvirt makes a profile for each VM when it starts and has AppArmor load it. One
    such fault in a file that all of them include, and no VM starts: "cannot load
    AppArmor profile". libvirt of Debian 12 includes
    local/abstractions/libvirt-qemu whether it is there or not, so that nothing starts
    once somebody has deleted it.

    How it is repaired:
    The file that is missing is created, with nothing but a comment in it; a rule that
    lacks its comma gets it. What another rule was meant to say is not known: that is
    corrected by hand.

    See it yourself:
        sudo journalctl -u libvirtd -u virtqemud | grep -i apparmor
        grep include /etc/apparmor.d/abstractions/libvirt-qemu

    False alarms:
    None are known: the rules were compared with what AppArmor's own parser takes. A VM
    whose definition has <seclabel type='none'/> starts all the same.
    """

    id = "libvirt-profile-refused"
    severity = Severity.ERROR
    title = "AppArmor refuses the profiles of virtual machines"
    requires = ("libvirt-conf-refused",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the first fault of each kind."""
        facts[LibvirtIntent].demand()
        armor, conf = facts[AppArmor], facts[QemuConf]
        confines = conf.confines("apparmor") and conf.confines_unasked
        if not (armor.installed and confines):
            raise NotApplicable(OFF)
        if not isinstance(conf.text, str) and conf.text.hidden:
            known(conf.text)
        for file, line, path in armor.absent[:1]:
            yield _absent(FilePlace(file, line), path)
        if armor.unfinished:
            file, line, raw = armor.unfinished
            rule = raw.partition(" #")[0].strip()
            message = UNFINISHED.filled(file=file, line=line)
            advice = FINISH.filled(rule=rule, file=file)
            place = FilePlace(file, line)
            yield _rule(place, message, raw, FINISHED, advice, Actor.TOOL)
        if armor.wrong:
            file, line, raw = armor.wrong
            message, place = WRONG.filled(file=file, line=line), FilePlace(file, line)
            yield _rule(place, message, raw, RIGHT, CORRECT, Actor.USER)
        for missing in armor.closed:
            known(missing)


def _absent(place: FilePlace, path: str) -> Finding:
    rows = (Evidence(str(place), INCLUDES.filled(path=path), IS_THERE),)
    folder = path.rpartition("/")[0]
    advice = CREATE.filled(folder=folder, path=path)
    message = ABSENT.filled(path=path)
    return Finding(place, message, rows, None, advice, Actor.TOOL)


def _rule(
    place: FilePlace,
    message: Message,
    raw: str,
    wanted: Message,
    advice: Message,
    actor: Actor,
) -> Finding:
    rows = (Evidence(str(place), raw.strip(), wanted),)
    return Finding(place, message, rows, None, advice, actor)
