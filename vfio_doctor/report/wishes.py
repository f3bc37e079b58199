"""What a fix asks for, in words: for repairs that are left to the person."""

from __future__ import annotations

from vfio_doctor.messages import say
from vfio_doctor.model import (
    Change,
    DeleteFile,
    DisablePolicy,
    DisableUnit,
    DropContext,
    EditLine,
    EnableUnit,
    FileContext,
    KernelArguments,
    LoadModule,
    Message,
    OwnInitramfsBack,
    PolicyModule,
    ProbeDriver,
    RebuildImages,
    RestartService,
    RuntimeParameter,
    UdevTrigger,
    WriteFile,
)


def wish(change: Change) -> Message:
    """Return one change as something to do."""
    match change:
        case KernelArguments():
            return _arguments(change)
        case WriteFile(path, text):
            return say(
                "wish-write",
                "write {path}, with: {text}",
                path=path,
                text=" ".join(text.split()),
            )
        case EditLine():
            return _edited(change)
        case DeleteFile(path, why):
            return say("wish-delete", "delete {path}: {why}", path=path, why=why)
        case RuntimeParameter(path, value):
            return say("wish-set", "set {path} to {value}", path=path, value=value)
        case UdevTrigger() | LoadModule() | RestartService():
            return _now(change)
        case EnableUnit() | DisableUnit() | ProbeDriver():
            return _driver_or_unit(change)
        case RebuildImages() | OwnInitramfsBack():
            return _images(change)
        case FileContext() | DropContext() | DisablePolicy() | PolicyModule():
            return _policy(change)


def _images(change: RebuildImages | OwnInitramfsBack) -> Message:
    match change:
        case RebuildImages(modules):
            return say(
                "wish-rebuild-images",
                "have the initramfs of every kernel load {modules} first, and build all"
                " of them anew",
                modules=modules,
            )
        case OwnInitramfsBack(True, arguments):
            return say(
                "wish-own-initramfs",
                "have rpm-ostree make the initramfs with dracut's arguments"
                " {arguments} only",
                arguments=arguments,
            )
    return say("wish-image-initramfs", "use the initramfs of the system's image again")


def _policy(
    change: FileContext | DropContext | DisablePolicy | PolicyModule,
) -> Message:
    match change:
        case DropContext(pattern):
            return say(
                "wish-unlabel",
                "take the local SELinux file context of {pattern} out",
                pattern=pattern,
            )
        case DisablePolicy(name):
            return say(
                "wish-policy-off", "switch the SELinux module {name} off", name=name
            )
        case PolicyModule(path):
            return say("wish-policy-on", "load the SELinux module of {path}", path=path)
        case FileContext(pattern, type_, _):
            return say(
                "wish-label",
                "label {pattern} as {type} for SELinux",
                pattern=pattern,
                type=type_,
            )


def _driver_or_unit(change: EnableUnit | DisableUnit | ProbeDriver) -> Message:
    if isinstance(change, ProbeDriver):
        return say(
            "wish-probe",
            "write {address} to /sys/bus/pci/drivers_probe",
            address=change.address,
        )
    if isinstance(change, EnableUnit):
        return say("wish-enable", "have systemd start {unit}", unit=change.unit)
    return say("wish-disable", "have systemd no longer start {unit}", unit=change.unit)


def _now(change: UdevTrigger | LoadModule | RestartService) -> Message:
    if isinstance(change, UdevTrigger):
        return say(
            "wish-trigger",
            "have udev set up the {subsystem} devices again",
            subsystem=change.subsystem,
        )
    if isinstance(change, RestartService):
        return say("wish-restart", "restart {unit}", unit=change.unit)
    if change.reload:
        return say("wish-reload", "load the module {name} again", name=change.name)
    return say("wish-load", "load the module {name}", name=change.name)


def _arguments(change: KernelArguments) -> Message:
    new = (*change.set_, *(f"{key}={item}" for key, item in change.add_items))
    gone = (*change.remove, *(f"{key}={item}" for key, item in change.remove_items))
    add, take = " ".join(new), " ".join(gone)
    if new and gone:
        return say(
            "wish-arguments",
            "kernel arguments: set {add}, and remove {take}",
            add=add,
            take=take,
        )
    if gone:
        return say(
            "wish-arguments-remove", "kernel arguments: remove {take}", take=take
        )
    return say("wish-arguments-set", "kernel arguments: set {add}", add=add)


def _edited(change: EditLine) -> Message:
    path, old, new = change.path, change.old, change.new
    if new is None:
        return say(
            "wish-unline", "in {path} delete the line: {old}", path=path, old=old
        )
    if not old:
        return say("wish-line", "in {path} add the line: {new}", path=path, new=new)
    return say(
        "wish-replace",
        "in {path} replace the line {old} by: {new}",
        path=path,
        old=old,
        new=new,
    )
