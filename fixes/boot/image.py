"""Have the initramfs hold what modprobe.d says now."""

from __future__ import annotations

from vfio_doctor.api import (
    Change,
    Facts,
    Finding,
    Fix,
    Iterator,
    ModulePlace,
    OldOptions,
    RebuildImages,
)


class RebuildOldImage(Fix):
    """Makes the initramfs images anew, which then hold modprobe.d as it is now.

    The host's own tool makes the images of all kernels; it is seen that each holds
    the file with the option. Nothing else is changed.
    """

    id = "rebuild-old-image"
    solves = ("module-options-not-in-image",)
    summary = "Make the initramfs anew, with the options that modprobe.d has now"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the images, with the files that give this module options."""
        match finding.place:
            case ModulePlace(name):
                places = (
                    one.option.place
                    for one in facts[OldOptions].found
                    if one.module == name and one.option.place is not None
                )
                paths = tuple(dict.fromkeys(place.path for place in places))
                yield RebuildImages((), paths)
