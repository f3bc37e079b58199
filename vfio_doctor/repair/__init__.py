"""Registry, diagnosis, plan, apply, journal, verification."""
