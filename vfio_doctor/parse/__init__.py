"""Pure functions from text to values, and back where we write the format."""
