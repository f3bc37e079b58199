"""The one door to the machine: live, captured, recorded."""
