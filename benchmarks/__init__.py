"""What KOKEX costs in time and memory: `make bench`, or `python -m benchmarks --help`. Explained in docs/benchmarks.md."""
