"""Small stand-ins for the outside, for unit tests. What the real ones do is held by the contract suites."""
