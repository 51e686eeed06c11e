"""The demo: a market of this machine, two plans that trade on it, and the two books compared at the end."""
