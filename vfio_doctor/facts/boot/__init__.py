"""How the host boots: its loader, entries and kernel arguments."""
