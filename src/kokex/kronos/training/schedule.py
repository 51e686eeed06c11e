"""The learning rate as a pure function of the step, so that resuming needs nothing but the step."""

from __future__ import annotations

import math

from kokex.kronos.training.settings import StageSettings


def learning_rate(settings: StageSettings, step: int, steps: int) -> float:
    """Learning rate of optimiser step `step` (from 0) out of `steps`.

    one_cycle: half a cosine up from the start to the peak, then down to the start / 10,000.
    cosine: straight up to the peak, then half a cosine down to zero. constant: straight up, then the peak.
    """
    peak, start = settings.learning_rate, settings.learning_rate / settings.start_divisor
    rising = max(round(settings.warm_up * steps), 1)
    if step < rising:
        share = step / rising
        if settings.schedule == "one_cycle":
            share = (1 - math.cos(math.pi * share)) / 2
        return start + (peak - start) * share
    if settings.schedule == "constant":
        return peak
    share = min((step - rising) / max(steps - 1 - rising, 1), 1.0)
    floor = start / 1e4 if settings.schedule == "one_cycle" else 0.0
    return floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2
