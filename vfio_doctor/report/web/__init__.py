"""Reports as pages for a browser: one file each, nothing loaded, no script."""
