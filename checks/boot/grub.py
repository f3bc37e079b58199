"""Check of GRUB's own configuration file."""

from __future__ import annotations

from vfio_doctor.api import (
    BootKind,
    BootStack,
    Check,
    Evidence,
    Facts,
    Finding,
    GrubFile,
    Iterator,
    NotApplicable,
    Severity,
    known,
    say,
)

NO_GRUB = say("grub-file-of-no-grub", "GRUB's own files do not decide here")
BROKEN = say("grub-file-broken", "GRUB's configuration is broken in {place}: {why}.")
CORRECT = say(
    "grub-file-correct",
    "Correct the line by hand: one variable a line, no blanks around the =, its whole"
    " value between two quotes, and no carriage return at the end (`sudo sed -i"
    " 's/\\r$//' FILE` takes them out). Then regenerate the boot menu"
    " (`sudo update-grub`, or"
    " `sudo grub-mkconfig -o /boot/grub/grub.cfg`).",
)


class GrubFileBroken(Check):
    """A line of GRUB's configuration does not say to the shell what it seems to.

    What it does:
    Reads /etc/default/grub and its drop-ins as the shell does that sources them.
    It looks for a quote that is never closed, for a value with blanks and without
    quotes, for a blank before the =, for the line ends of Windows, and for += if the
    shell is dash, which does not know it.

    Why is this bad?
    The next run of update-grub stops with an error, or leaves the kernel arguments
    out that you have written, and nobody sees it before the next boot.

    How it is repaired:
    By hand: a line that the shell reads in another way than you do is never edited
    blindly. No repair of kernel arguments is made while the file is broken.

    See it yourself:
        sh -n /etc/default/grub
        sh -xc '. /etc/default/grub' 2>&1 | grep CMDLINE

    False alarms:
    None are known.
    """

    id = "grub-file-broken"
    severity = Severity.WARNING
    title = "GRUB's configuration is broken"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a broken line."""
        kind = facts[BootStack].kind
        unseen = facts[GrubFile].unseen
        if unseen and kind in (BootKind.GRUB, BootKind.UNKNOWN):
            known(unseen)
        if kind is not BootKind.GRUB:
            raise NotApplicable(NO_GRUB)
        for place, why, line in facts[GrubFile].faults:
            row = Evidence(str(place), line)
            yield Finding(
                place, BROKEN.filled(place=str(place), why=why), (row,), None, CORRECT
            )
