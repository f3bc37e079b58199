"""Read a Report, print it: text, JSON, Markdown."""
