"""The only place where tables change: one revision a file, applied in order on start."""
