"""The door to use: candles in, sampled futures out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from kokex.kronos.candles import Candles
from kokex.kronos.decoding import PathDecoder, PathRebuilder
from kokex.kronos.errors import ConfigError, RequestError
from kokex.kronos.forecast import Forecast
from kokex.kronos.inference.batching import Job, context_batch, decoding_groups, tokenise
from kokex.kronos.inference.network import PackedPredictor, PackedTokenizer
from kokex.kronos.model import Kronos
from kokex.kronos.normalisation import Normalisation
from kokex.kronos.sampling import CounterDraws, DrawMode, Draws, GeneratorDraws, Sampling
from kokex.kronos.tokenizer import KronosTokenizer

SlidingMode = Literal["exact", "fast"]
FAST_SHARE = 8
"""The fast window drops ``max_context`` / this many tokens at once."""
CACHE_BYTES = 256 * 2**20
"""Keys and values held at once, for the shared pasts and again for the paths; more series or paths go in turns."""
LARGEST_SEED = 2**64 - 1


class KronosForecaster:
    """Forecasts with one tokenizer and one predictor.

    The weights are read when it is made: train on, and make another. It may be used from several threads.

    Args:
        model, tokenizer: left as they are, their mode included.
        max_context: candles that the predictor looks back on (512 for the published small and base, 2048 for mini).
            The tokenizer reads the whole context even where that is longer.
        device: ``cpu``, ``cuda``, ``mps`` or a ``torch.device``.
        dtype: of the predictor. ``torch.bfloat16`` is faster on some machines and draws other single tokens from almost
            the same distribution; the tokenizer stays float32.
        sliding: past ``max_context`` the window slides by one candle a step. ``exact`` recomputes it each time, once
            for all paths. ``fast`` drops an eighth of it at once and goes on with the cache, so a step sees between
            seven eighths of ``max_context`` and all of it: far cheaper, and the same until the window is full.
        draws: ``counter`` makes a path depend on its seed, number and step alone. ``torch`` draws as the published code
            does, for comparing with it; then all series of a call need one length, one horizon and one seed.
    """

    def __init__(
        self,
        model: Kronos,
        tokenizer: KronosTokenizer,
        max_context: int = 512,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        sliding: SlidingMode = "exact",
        draws: DrawMode = "counter",
    ) -> None:
        ours, theirs = model.config, tokenizer.config
        if (ours.s1_bits, ours.s2_bits) != (theirs.s1_bits, theirs.s2_bits):
            raise ConfigError(
                f"the model reads {ours.s1_bits}+{ours.s2_bits} bit tokens, "
                f"the tokenizer writes {theirs.s1_bits}+{theirs.s2_bits}"
            )
        if max_context < 2:
            raise ConfigError(f"max_context must be 2 or more, not {max_context}")
        self.max_context = max_context
        self.device = torch.device(device)
        self.dtype = dtype
        self._slack = 1 if sliding == "exact" else max(1, max_context // FAST_SHARE)
        self._draws = draws
        with torch.inference_mode():
            self._predictor = PackedPredictor(model, dtype, self.device)
            self._tokenizer = PackedTokenizer(tokenizer, self.device)
        config = model.config
        self._bytes_per_token = 2 * (config.n_layers + 1) * config.d_model * dtype.itemsize

    def forecast(
        self,
        candles: Candles | Any,
        horizon: int,
        *,
        paths: int = 30,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Forecast:
        """Sample futures of one series.

        Args:
            candles: ``Candles``, or anything ``Candles.from_table`` reads.
            horizon: future candles, fewer than ``max_context``.
            paths: futures to sample.
            temperature, top_k, top_p: see ``Sampling``. The defaults draw from the model's own distribution; the
                published default top_p 0.9 cuts its tails and with them the bands.
            seed: 0 to 2^64-1; None takes a random one, which the forecast then names.

        Raises:
            CandlesError, RequestError: before anything is computed.
        """
        sampling = Sampling(temperature, top_k, top_p)
        return self.forecast_many([candles], horizon, paths=paths, sampling=sampling, seeds=seed)[0]

    @torch.inference_mode()
    def forecast_many(
        self,
        candles: Sequence[Candles | Any],
        horizons: int | Sequence[int],
        *,
        paths: int = 30,
        sampling: Sampling | None = None,
        seeds: int | Sequence[int] | None = None,
    ) -> list[Forecast]:
        """Sample futures of many series, of any lengths and horizons, in one call; results in the order given.

        A series' paths are those that ``forecast`` gives it alone with the same seed. One seed for all makes their
        random numbers equal, not their futures.
        """
        if not candles:
            return []
        sampling = sampling or Sampling()
        series = [table if isinstance(table, Candles) else Candles.from_table(table) for table in candles]
        if paths < 1:
            raise RequestError(f"paths must be 1 or more, not {paths}")
        jobs = self._jobs(series, self._horizons(horizons, len(series)), _seeds(seeds, len(series)))
        tokenise(jobs, self._tokenizer)
        forecasts: dict[int, Forecast] = {}
        for group in self._groups(jobs):
            drawn = self._run(group, paths, sampling)  # (S, paths, longest horizon, 6)
            for job, normalised in zip(group, drawn, strict=True):
                forecasts[job.place] = Forecast(
                    paths=job.normalisation.invert(normalised[:, : job.horizon]),
                    times=job.times_ahead,
                    context=job.candles.values,
                    seed=job.seed,
                )
        return [forecasts[place] for place in range(len(series))]

    def _horizons(self, horizons: int | Sequence[int], count: int) -> list[int]:
        each = [horizons] * count if isinstance(horizons, int) else list(horizons)
        if len(each) != count:
            raise RequestError(f"{len(each)} horizons for {count} series")
        for horizon in each:
            if not 1 <= horizon < self.max_context:
                raise RequestError(
                    f"horizon must be from 1 to {self.max_context - 1} (max_context - 1), not {horizon}"
                )
        return each

    def _jobs(self, series: Sequence[Candles], horizons: Sequence[int], seeds: Sequence[int]) -> list[Job]:
        jobs = [
            Job(place, candles, horizon, seed, candles.times_ahead(horizon), Normalisation.of(candles.values))
            for place, (candles, horizon, seed) in enumerate(zip(series, horizons, seeds, strict=True))
        ]
        if self._draws == "torch" and len({(len(job), job.horizon, job.seed) for job in jobs}) > 1:
            raise RequestError(
                "draws='torch' needs one length, one horizon and one seed for all series of a call"
            )
        return jobs

    def _groups(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        if self._draws == "torch":
            return iter([list(jobs)])
        return decoding_groups(jobs, self.max_context, CACHE_BYTES // self._bytes_per_token)

    def _run(self, group: Sequence[Job], paths: int, sampling: Sampling) -> NDArray[np.float32]:
        """Normalised futures of a group, (S, paths, longest horizon, 6)."""
        batch = context_batch(group, self.max_context, self.device)
        decoder = PathDecoder(self._predictor, batch, self.max_context, self._slack)
        rebuilder = PathRebuilder(self._tokenizer, batch, self.max_context)
        parts = []
        for some in self._turns(paths, len(group) * batch.horizons[0]):
            tokens = decoder.generate(len(some), sampling, self._draws_for(group, some))
            parts.append(rebuilder.rebuild(tokens).cpu().numpy())
        return np.concatenate(parts, axis=1)

    def _turns(self, paths: int, tokens_per_path: int) -> Iterator[range]:
        """Ranges of paths whose keys and values fit into memory together."""
        most = max(1, CACHE_BYTES // (self._bytes_per_token * tokens_per_path))
        size = paths if self._draws == "torch" else min(paths, most)
        for first in range(0, paths, size):
            yield range(first, min(first + size, paths))

    def _draws_for(self, group: Sequence[Job], paths: range) -> Draws:
        if self._draws == "torch":
            return GeneratorDraws(group[0].seed, self.device)
        return CounterDraws([job.seed for job in group], paths, group[0].horizon, self.device)


def _seeds(seeds: int | Sequence[int] | None, count: int) -> list[int]:
    if seeds is None:
        seeds = [secrets.randbits(64) for _ in range(count)]
    each = [seeds] * count if isinstance(seeds, int) else list(seeds)
    if len(each) != count:
        raise RequestError(f"{len(each)} seeds for {count} series")
    for seed in each:
        if not 0 <= seed <= LARGEST_SEED:
            raise RequestError(f"a seed is from 0 to 2^64 - 1, not {seed}")
    return each
