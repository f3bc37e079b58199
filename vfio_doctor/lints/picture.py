"""Lints of what Looking Glass needs around its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.kvmfr.client import SPICE_PORT, ClientSpice
from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.parse.xml_edit import remove, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

VIDEO = "<model type='vga'/>"
SPICE = "<graphics type='spice' autoport='yes'/>"


class VideoModel(Lint):
    """The VM has a video card that gets in the way of Looking Glass.

    Looking Glass asks for <video> of type vga, or none once it works: with qxl or
    virtio Windows may put its desktop on that card, and not on the passed one.

    How to put it right:
    Write <model type='vga'/>.

    False alarms:
    A Linux guest that is told by hand which card to use.
    """

    id = "vm-video-model"
    number = "X43"
    severity = Severity.WARNING
    title = "The video model is not one for Looking Glass"
    right = VIDEO
    wrong = "<model type='qxl' ram='65536'/>"

    WRONG = say(
        "vm-video-not-vga",
        "Looking Glass is used with a video card of type {model}: Windows may put its"
        " desktop there.",
    )
    WRITE = say("vm-video-write-vga", "Write <model type='vga'/>, or none.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each model."""
        if not vm.looking_glass or not vm.passes:
            return
        for model in vm.domain.all("devices/video/model"):
            kind = model.get("type")
            if kind in ("qxl", "virtio"):
                message = self.WRONG.filled(model=kind)
                cure = (replace(model, VIDEO),)
                yield Found(model, message, self.WRITE, "type", cure=cure)


class NoSpice(Lint):
    """Looking Glass has no SPICE server to send the keyboard and mouse through.

    The client sends keys, mouse, clipboard and sound through SPICE. Without it there is
    only a picture.

    How to put it right:
    Add <graphics type='spice' autoport='yes'/> to <devices>.

    False alarms:
    Input comes from a passed USB controller or evdev on purpose.
    """

    id = "vm-no-spice"
    number = "X44"
    severity = Severity.WARNING
    title = "Looking Glass has no SPICE for its input"
    right = SPICE
    wrong = "<graphics type='vnc' autoport='yes'/>"

    NONE = say(
        "vm-spice-none",
        "Looking Glass is used without SPICE: the client has neither keys nor mouse.",
    )
    ADD = say("vm-spice-add", "Add <graphics type='spice' autoport='yes'/>.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for a SPICE server, of libvirt's or among the arguments."""
        if not vm.looking_glass:
            return
        graphics = list(vm.domain.all("devices/graphics"))
        if any(one.get("type") == "spice" for one in graphics):
            return
        own = any(a.option == "spice" for a in vm.arguments)
        evdev = any(a.kind == "input-linux" for a in vm.arguments)
        inputs = any(d.tag == "input" and d.get("type") == "evdev" for d in vm.devices)
        if own or evdev or inputs:
            return
        place = graphics[0] if graphics else vm.looking_glass[0].element
        yield Found(place, self.NONE, self.ADD)


def _spice(vm: Definition) -> Iterator[Element]:
    """Yield the SPICE servers of a VM that Looking Glass is used with."""
    for one in vm.domain.all("devices/graphics") if vm.looking_glass else ():
        if one.get("type") == "spice":
            yield one


def _port(graphics: Element) -> int | None:
    """Return the port that is written, 0 if libvirt picks it, None if there is none."""
    if any(one.get("type") in ("none", "socket") for one in graphics.all("listen")):
        return None
    said = graphics.get("port")
    port = whole(said, 5)
    if port:
        return port if graphics.get("autoport") != "yes" else 0
    return 0 if graphics.get("autoport") == "yes" or said == "-1" else None


class SpicePort(Lint):
    """The client connects to another port than SPICE listens on.

    Looking Glass's client sends keyboard and mouse to the host and port of its
    settings, by default 127.0.0.1 and 5900. If nothing answers there, it has the
    picture and no input.

    How to put it right:
    Write the same port in both: <graphics type='spice' port='5900' autoport='no'>, and
    port=5900 below [spice] in the client's settings, or its option -p.

    False alarms:
    A client that is started with -c or -p, or on another machine.
    """

    id = "vm-spice-port"
    number = "X44"
    severity = Severity.WARNING
    title = "The client connects to another port than SPICE's"
    right = SPICE
    wrong = "<graphics type='spice' port='5910' autoport='no'/>"
    reads_host = True
    vm_only = True

    OTHER = say(
        "vm-spice-port-other",
        "SPICE listens on port {port}, and the client's settings ({source}) say"
        " {other}.",
    )
    UNSAID = say(
        "vm-spice-port-unsaid",
        "SPICE listens on port {port}, and the client connects to {other} if its"
        " settings say nothing.",
    )
    PICKED = say(
        "vm-spice-port-picked",
        "libvirt picks the port when the VM starts, the first free one from 5900 on,"
        " and the client's settings ({source}) say {other}.",
    )
    SAME = say("vm-spice-port-same", "Write the same port in both.")
    FIX_IT = say(
        "vm-spice-port-fix", "Write port='{other}' autoport='no', as the client has it."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare, if the client is one of this host's."""
        for one in _spice(vm):
            port = _port(one)
            if port is None:
                continue
            client = facts[ClientSpice]
            other = whole(client.port.device) if client.port else SPICE_PORT
            if not client.connects or other is None or other in (0, port):
                continue
            if client.port is None:
                if port:
                    message = self.UNSAID.filled(port=port, other=other)
                    yield Found(one, message, self.SAME, "port")
                continue
            source = client.port.path
            if port:
                message = self.OTHER.filled(port=port, source=source, other=other)
                yield Found(one, message, self.SAME, "port")
            elif other != SPICE_PORT:
                message = self.PICKED.filled(source=source, other=other)
                advice = self.FIX_IT.filled(other=other)
                yield Found(one, message, advice, "autoport", Severity.INFO)


class SpiceGl(Lint):
    """SPICE draws with OpenGL, and listens on a port.

    QEMU refuses both at once: "SPICE GL support is local-only for now and incompatible
    with -spice port/tls-port". Looking Glass needs the port, and no OpenGL.

    How to put it right:
    Take <gl enable='yes'/> out.

    False alarms:
    A QEMU of late 2025 or newer that was built with SPICE 0.15.3 or newer.
    """

    id = "vm-spice-gl"
    number = "X44"
    severity = Severity.WARNING
    title = "SPICE with OpenGL and a port"
    right = SPICE
    wrong = (
        "<graphics type='spice' autoport='yes'>\n      <gl enable='yes'/>\n"
        "    </graphics>"
    )

    BOTH = say(
        "vm-spice-gl-port",
        "SPICE has OpenGL and a port: most versions of QEMU refuse to start.",
    )
    REMOVE = say("vm-spice-gl-remove", "Take <gl enable='yes'/> out.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the element where there is a port."""
        for one in _spice(vm):
            gl = one.first("gl")
            if gl is not None and gl.get("enable") == "yes" and _port(one) is not None:
                cure = (remove(gl),)
                yield Found(gl, self.BOTH, self.REMOVE, "enable", cure=cure)


class Tablet(Lint):
    """A tablet is the pointer, which does not go with Looking Glass B7 and older.

    libvirt adds a USB tablet, which has places, not movements. Release B7 asks to
    take it out; the current ones do not mind.

    How to put it right:
    Take out <input type='tablet'/>.

    False alarms:
    Current releases of Looking Glass.
    """

    id = "vm-tablet"
    number = "X45"
    severity = Severity.INFO
    title = "A tablet is in the way of Looking Glass B7"
    right = "<memballoon model='none'/>"
    wrong = "<input type='tablet' bus='usb'/>\n    <memballoon model='none'/>"

    SAID = say(
        "vm-tablet-there",
        "Looking Glass up to B7 wants no tablet: the pointer jumps or stays.",
    )
    REMOVE = say("vm-tablet-remove", "Take it out if you use B7 or older.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for one."""
        for one in vm.devices if vm.looking_glass else ():
            if one.tag == "input" and one.get("type") == "tablet":
                yield Found(one, self.SAID, self.REMOVE)


class NoClipboard(Lint):
    """There is no channel for the clipboard of Looking Glass.

    The clipboard goes through SPICE's agent channel, com.redhat.spice.0.

    How to put it right:
    Add a <channel type='spicevmc'> with <target type='virtio'
    name='com.redhat.spice.0'/>.

    False alarms:
    Nobody wants a clipboard.
    """

    id = "vm-spice-channel"
    number = "X46"
    severity = Severity.INFO
    title = "No channel for the clipboard"
    right = "name='com.redhat.spice.0'"
    wrong = "name='org.qemu.guest_agent.0'"

    NONE = say(
        "vm-spice-no-channel",
        "No channel is com.redhat.spice.0: host and guest do not share the clipboard.",
    )
    ADD = say(
        "vm-spice-add-channel",
        "Add <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/>"
        "</channel>.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the channel if there is a SPICE server."""
        spice = [
            one
            for one in vm.domain.all("devices/graphics")
            if one.get("type") == "spice"
        ]
        names = [t.get("name") for t in vm.domain.all("devices/channel/target")]
        own = any(a.option == "chardev" for a in vm.arguments)
        if vm.looking_glass and spice and not own and "com.redhat.spice.0" not in names:
            yield Found(spice[0], self.NONE, self.ADD)
