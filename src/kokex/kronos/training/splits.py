"""Cut a series by time into train, validation and test, with a purge gap of a window between them."""

from __future__ import annotations

from dataclasses import dataclass

from kokex.kronos.training.errors import BadSettingsError


@dataclass(frozen=True, slots=True)
class Part:
    """Candles start..stop-1 of a series."""

    start: int
    stop: int

    def __len__(self) -> int:
        return max(self.stop - self.start, 0)


@dataclass(frozen=True, slots=True)
class Split:
    """Train, validation and test parts of one series, in that order.

    A window that ends in one part never touches a candle of the part before: at least `gap` candles lie between.
    """

    train: Part
    validation: Part
    test: Part
    gap: int

    def of_validation(self) -> Split:
        """For choices: the validation part's earlier half in the place of validation, its later half in that of the test.

        The test part itself is in neither, so whatever is chosen by this split, the test has not seen it.

        Raises:
            BadSettingsError: a half is shorter than a window.
        """
        half = (len(self.validation) - self.gap) // 2
        if half < self.gap:
            raise BadSettingsError(
                f"{len(self.validation)} candles of validation cannot be cut in two halves of a window of {self.gap} "
                "with such a window between them; give more candles"
            )
        start, stop = self.validation.start, self.validation.stop
        return Split(self.train, Part(start, start + half), Part(stop - half, stop), self.gap)


def split_by_time(
    candles: int, window: int, *, validation_share: float = 0.15, test_share: float = 0.15
) -> Split:
    """Split n candles by time; each later part gives its share from the end, the gaps come off the earlier parts.

    The forecasts of the first test origins may look back into the gap, never into the validation part.

    Args:
        candles: number of candles in the series.
        window: context + horizon, the length of the purge gap.
        validation_share: share of the candles from the start of validation to the start of the test.
        test_share: share of the candles, at the end, that training never sees.

    Raises:
        BadSettingsError: shares out of range, or a part shorter than a window.
    """
    if not (0 < validation_share < 1 and 0 <= test_share < 1 and validation_share + test_share < 1):
        raise BadSettingsError(
            f"validation share {validation_share} and test share {test_share} leave nothing to train on"
        )
    test_start = candles - round(candles * test_share)
    validation_start = test_start - round(candles * validation_share)
    validation_stop = test_start - window if test_share else test_start
    split = Split(
        train=Part(0, validation_start - window),
        validation=Part(validation_start, validation_stop),
        test=Part(test_start, candles),
        gap=window,
    )
    for name, part in (("train", split.train), ("validation", split.validation)):
        if len(part) < window:
            raise BadSettingsError(
                f"{candles} candles leave {max(part.stop - part.start, 0)} for {name}, fewer than a window of {window}; "
                "give more candles or a shorter context"
            )
    return split
