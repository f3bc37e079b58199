"""What set-ups have left on a host, told by its look: for `vfio-doctor teardown`."""
