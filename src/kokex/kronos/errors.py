"""Everything that can go wrong in ``kokex.kronos``, one class per cause.

KronosError
├── ConfigError              a configuration that no model can have
├── RequestError             a forecast was asked for with impossible settings
├── CandlesError             the candles given cannot be used
│   ├── MissingColumnError
│   ├── NotFiniteError
│   ├── TimesNotIncreasingError
│   │   └── DuplicatedTimesError
│   ├── IntervalMismatchError
│   ├── TooFewCandlesError
│   ├── ConstantPricesError
│   └── ZeroVolumeError
└── WeightsError             a checkpoint cannot be read or does not fit
    ├── WeightsNotFoundError
    ├── WeightsUnreadableError
    ├── WeightsMismatchError
    └── HubUnavailableError
"""

from __future__ import annotations


class KronosError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(KronosError):
    """A configuration value is missing or contradicts another."""


class RequestError(KronosError):
    """A forecast was asked for with impossible settings."""


class CandlesError(KronosError):
    """The candles given cannot be used."""


class MissingColumnError(CandlesError):
    """A column that the model needs is absent."""


class NotFiniteError(CandlesError):
    """A value is NaN or infinite."""


class TimesNotIncreasingError(CandlesError):
    """The times of the candles go backwards."""


class DuplicatedTimesError(TimesNotIncreasingError):
    """Two candles carry the same time."""


class IntervalMismatchError(CandlesError):
    """The candles do not follow each other at the interval they should have."""


class TooFewCandlesError(CandlesError):
    """There are fewer candles than the forecast needs."""


class ConstantPricesError(CandlesError):
    """No price moves in the whole context, so there is nothing to normalise by."""


class ZeroVolumeError(CandlesError):
    """A volume column was given, and it is zero throughout."""


class WeightsError(KronosError):
    """A checkpoint cannot be read or does not fit."""


class WeightsNotFoundError(WeightsError):
    """There is no checkpoint where one was expected."""


class WeightsUnreadableError(WeightsError):
    """A checkpoint file is truncated or is not what its name says."""


class WeightsMismatchError(WeightsError):
    """A checkpoint's tensors are not the ones that its configuration describes."""


class HubUnavailableError(WeightsError):
    """A hub id was given, and the hub cannot be reached from here."""
