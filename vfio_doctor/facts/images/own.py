"""The initramfs that rpm-ostree makes on this machine, in place of the image's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, missing_fact
from vfio_doctor.facts.boot.next_kernel import NO_DEPLOYMENT, RPM_OSTREE_STATUS
from vfio_doctor.host.reader import Missing
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

FORCE = "--force-drivers"


class OwnInitramfs(NamedTuple):
    """Whether the deployment that boots next has one, and dracut's arguments."""

    made: bool
    arguments: tuple[str, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> OwnInitramfs:
        """Ask rpm-ostree; raise `MissingFact` if it does not say."""
        return own_initramfs(host)

    def loads(self, module: str) -> bool:
        """Tell whether it has dracut load a module before udev starts."""
        name = module_name(module)
        return self.made and name in map(module_name, _forced(self.arguments))


def own_initramfs(host: Reader) -> OwnInitramfs:
    """Return what rpm-ostree says now; raise `MissingFact` if it does not."""
    from vfio_doctor.parse.ostree import rpm_ostree_status

    answer = host.run(RPM_OSTREE_STATUS)
    if isinstance(answer, Missing):
        raise missing_fact(answer)
    first = next(iter(rpm_ostree_status(answer.stdout) or ()), None)
    if first is None:
        said = NO_DEPLOYMENT.filled(command=" ".join(RPM_OSTREE_STATUS))
        raise MissingFact(said)
    arguments = first.dracut if first.own_initramfs else ()
    return OwnInitramfs(first.own_initramfs, arguments)


def _forced(arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield the modules behind --force-drivers: one word, or the word after it."""
    for at, word in enumerate(arguments):
        option, _, value = word.partition("=")
        if option == FORCE:
            yield from (value or " ".join(arguments[at + 1 : at + 2])).split()
