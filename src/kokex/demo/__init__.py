"""The demo: a market of this machine, one plan that trades on it, and the two books compared at the end."""
