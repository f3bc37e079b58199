#!/bin/sh
# A greenboot check: /usr/lib/greenboot/check/wanted.d/50-vfio-doctor.sh
# Says after an update that what vfio-doctor had set up is no longer so. It is a
# wanted check, not a required one: a VM that does not start is no reason to go back.
exec vfio-doctor verify --quiet
