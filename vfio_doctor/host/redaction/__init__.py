"""Let out of a capture only what is known to be harmless: one module a format."""
