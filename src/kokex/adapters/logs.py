"""Logging: structlog to standard error, as text for people or JSON for programs."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from kokex.domain.errors import ConfigurationError

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET = ("secret", "passphrase", "api_key", "password", "token", "authorization")


def configure_logs(level: str, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Set up logging for this process, to `stream`; None: standard error, also where that is redirected later.

    Raises:
        ConfigurationError: the level is not debug, info, warning or error.
    """
    if level.lower() not in _LEVELS:
        raise ConfigurationError(f"log level {level!r} is unknown; use one of {', '.join(_LEVELS)}")
    threshold = _LEVELS[level.lower()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_to_standard_error if stream is None else structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=stream or sys.stderr)


def _to_standard_error(*_: object) -> structlog.PrintLogger:
    """Standard error as it is now: whoever redirects it later is followed."""
    return structlog.PrintLogger(sys.stderr)


def _mask(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Never let a key through, whatever a caller passes."""
    for key in event:
        if any(word in key.lower() for word in _SECRET):
            event[key] = "***"
    return event
