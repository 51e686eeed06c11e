"""The gateway: keys, clocks and rate limits. It lives on wall-clock time, unlike the market."""
