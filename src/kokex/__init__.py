"""KOKEX: forecasts, an agent and a hard risk gate between it and the exchange."""

__version__ = "0.1.0"
