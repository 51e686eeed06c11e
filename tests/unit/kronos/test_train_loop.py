"""Training: resuming, keeping the best, memory, nonsense, early stopping, several processes' arithmetic."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from kokex.kronos import Kronos, KronosTokenizer
from kokex.kronos.errors import WeightsNotFoundError, WeightsUnreadableError
from kokex.kronos.training import (
    BadSettingsError,
    CandleSeries,
    EpochDone,
    LoraSettings,
    Notice,
    QueueSink,
    RunMismatchError,
    RunOptions,
    StageDone,
    StageSettings,
    StepDone,
    TerminalSink,
    TrainingDivergedError,
    TrainingEvent,
    TrainingSettings,
    follow_events,
    preset,
    train,
)
from kokex.kronos.training.loop import StageLoop
from tests.unit.kronos.walks import walk


def small_settings(**changes: object) -> TrainingSettings:
    """Seconds, not minutes; every feature that could make a resumed run differ is on."""
    shape = {"d_model": 16, "n_heads": 2, "ff_dim": 16, "s1_bits": 3, "s2_bits": 3}
    predictor = {"n_layers": 1, "n_heads": 4, "ffn_dropout_p": 0.2}
    settings = preset("tiny").changed(
        context=16,
        horizon=8,
        shortest_context=10,
        stride=3,
        tokenizer_shape={**preset("tiny").tokenizer_shape, **shape, "group_size": 3},
        predictor_shape=preset("tiny").predictor_shape | shape | predictor,
        tokenizer=StageSettings(2, 16, 3e-3, 2.0, windows_per_epoch=64, ema=0.9),
        predictor=StageSettings(3, 16, 3e-3, 3.0, windows_per_epoch=64, accumulate=2, ema=0.9),
        second_token_query="sampled",
        validation_windows=16,
        checkpoint_every=3,
    )
    return settings.changed(**changes)


@pytest.fixture(scope="module")
def candles() -> CandleSeries:
    return walk(600)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small gain nothing from threads, and lose much where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def options(**changes: object) -> RunOptions:
    return RunOptions(accelerator="cpu", tensorboard=False, **changes)  # type: ignore[arg-type]


def stop_after(steps: int) -> Callable[[], bool]:
    """A stop asked for at the given question, one question a step."""
    asked = iter(range(10**6))
    return lambda: next(asked) >= steps


def weights(folder: Path) -> dict[str, torch.Tensor]:
    tokenizer = KronosTokenizer.from_pretrained(folder / "tokenizer" / "best").state_dict()
    last = Kronos.from_pretrained(folder / "predictor" / "last").state_dict()
    best = Kronos.from_pretrained(folder / "predictor" / "best").state_dict()
    named = (("tokenizer", tokenizer), ("last", last), ("best", best))
    return {f"{name}.{key}": value for name, state in named for key, value in state.items()}


def records(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "events.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    for record in kept:
        for varying in ("samples_per_second", "eta_seconds", "seconds"):
            record.pop(varying, None)
    return [record for record in kept if record["kind"] != "Notice"]


@pytest.fixture(scope="module")
def unbroken(candles: CandleSeries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    assert train(candles, small_settings(), folder, options()).finished
    return folder


@pytest.mark.parametrize("stops", [(1, 5, 12), (8, 9)])
def test_a_stopped_run_resumes_at_its_step_and_ends_with_the_same_weights_to_the_last_bit(
    candles: CandleSeries, unbroken: Path, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    """Stopped in either stage, in the middle of an epoch or at its end; curves are equal too."""
    for after in stops:
        assert not train(candles, small_settings(), tmp_path, options(should_stop=stop_after(after))).finished
    assert train(candles, small_settings(), tmp_path, options()).finished
    expected = weights(unbroken)
    for name, value in weights(tmp_path).items():
        assert torch.equal(value, expected[name]), name
    assert records(tmp_path) == records(unbroken)


class Killed(BaseException):
    """What a test raises where a process would have died."""


@pytest.mark.parametrize("at", [12])
def test_a_killed_run_resumes_from_its_last_save_and_ends_the_same(
    candles: CandleSeries, unbroken: Path, tmp_path: Path, at: int
) -> None:
    """Nothing is saved on the way down; steps after the last save are done again, and their events too."""

    def die(event: TrainingEvent) -> None:
        if isinstance(event, StepDone) and event.stage == "predictor" and event.step == at:
            raise Killed

    heard: list[TrainingEvent] = []
    with pytest.raises(Killed):
        train(candles, small_settings(), tmp_path, options(sinks=[die]))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"kind": "StepDone", "stage": "pre')
    train(candles, small_settings(), tmp_path, options(sinks=[heard.append]))
    expected = weights(unbroken)
    assert all(torch.equal(value, expected[name]) for name, value in weights(tmp_path).items())
    assert records(tmp_path) == records(unbroken)
    resumed = [event for event in heard if isinstance(event, Notice)]
    assert "resumed at step" in resumed[0].message
    first = next(event for event in heard if isinstance(event, StepDone))
    assert 1 < first.step <= at


def test_a_finished_run_is_not_trained_again(candles: CandleSeries, unbroken: Path) -> None:
    """Asking again answers with the same figures."""
    before = weights(unbroken)
    heard: list[TrainingEvent] = []
    result = train(candles, small_settings(), unbroken, options(sinks=[heard.append]))
    assert result.finished
    assert not heard
    assert all(torch.equal(value, before[name]) for name, value in weights(unbroken).items())


def test_best_is_the_lowest_validation_loss_and_its_weights_have_that_loss(
    candles: CandleSeries, tmp_path: Path
) -> None:
    """A learning rate that spoils the last epochs keeps the early weights as best, apart from the last."""
    settings = small_settings(
        predictor=StageSettings(5, 16, 0.3, 1e9, windows_per_epoch=64, schedule="constant", warm_up=0.6)
    )
    heard: list[TrainingEvent] = []
    result = train(candles, settings, tmp_path, options(sinks=[heard.append]))
    epochs = [event for event in heard if isinstance(event, EpochDone) and event.stage == "predictor"]
    losses = [event.validation_loss for event in epochs]
    assert result.predictor is not None
    assert result.predictor.best_loss == min(losses)
    assert result.predictor.best_epoch == losses.index(min(losses)) < len(losses) - 1
    assert [event.best for event in epochs] == [x == min(losses[: i + 1]) for i, x in enumerate(losses)]
    again = train(
        candles,
        settings.changed(predictor__epochs=1, predictor__learning_rate=1e-12, predictor__schedule="constant"),
        tmp_path / "again",
        options(
            tokenizer_from=str(tmp_path / "tokenizer" / "best"),
            predictor_from=str(tmp_path / "predictor" / "best"),
            freeze_tokenizer=True,
        ),
    )
    assert again.predictor is not None
    assert again.predictor.best_loss == pytest.approx(min(losses), rel=1e-6)


def test_other_settings_or_other_candles_in_the_same_folder_are_refused(
    candles: CandleSeries, unbroken: Path
) -> None:
    """A run is one thing; how often it saves is not part of it."""
    with pytest.raises(RunMismatchError, match="other settings"):
        train(candles, small_settings(seed=7), unbroken, options())
    with pytest.raises(RunMismatchError, match="other candles"):
        train(candles.part(0, 590), small_settings(), unbroken, options())
    assert train(candles, small_settings(checkpoint_every=9), unbroken, options()).finished


def test_out_of_memory_halves_the_pieces_says_so_and_learns_the_same(
    candles: CandleSeries, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that failed is done again in smaller pieces; the loss stays that of the whole batch."""
    forward = Kronos.forward
    largest: list[int] = []

    def limited(self: Kronos, tokens, *rest):  # type: ignore[no-untyped-def]
        if self.training and len(tokens.s1) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory, said the test")
        largest.append(len(tokens.s1))
        return forward(self, tokens, *rest)

    monkeypatch.setattr(Kronos, "forward", limited)
    heard: list[TrainingEvent] = []
    assert train(candles, small_settings(), tmp_path, options(sinks=[heard.append])).finished
    notices = [event.message for event in heard if isinstance(event, Notice)]
    assert notices == ["out of memory: computing each batch of 16 in 4 pieces of 4 from now on"]
    steps = [event for event in heard if isinstance(event, StepDone) and event.stage == "predictor"]
    usual = [r for r in records(unbroken) if r["kind"] == "StepDone" and r["stage"] == "predictor"]
    assert len(steps) == len(usual)
    assert steps[0].loss == pytest.approx(usual[0]["loss"], rel=0.05)


def _is_predictor_step(event: TrainingEvent) -> bool:
    return isinstance(event, StepDone) and event.stage == "predictor"


def test_accumulated_gradients_are_those_of_the_whole_batch(candles: CandleSeries, tmp_path: Path) -> None:
    """Without dropout, one piece and four pieces take the same first step, though weights differ by window."""
    shape = {**small_settings().predictor_shape, "ffn_dropout_p": 0.0, "resid_dropout_p": 0.0}
    norms = []
    for pieces in (1, 4):
        settings = small_settings(
            predictor_shape=shape,
            second_token_query="target",
            predictor__accumulate=pieces,
            tokenizer__epochs=1,
        )
        heard: list[StepDone] = []
        train(
            candles,
            settings,
            tmp_path / str(pieces),
            options(
                sinks=[lambda e, heard=heard: heard.append(e) if _is_predictor_step(e) else None],
                should_stop=lambda heard=heard: bool(heard),
            ),
        )
        step = heard[0]
        norms.append((step.loss, step.gradient_norm))
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


def test_not_even_one_window_fits(
    candles: CandleSeries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halving ends with a sentence, not with a loop."""

    def never(self: Kronos, *rest: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory, said the test")

    monkeypatch.setattr(Kronos, "forward", never)
    with pytest.raises(MemoryError, match="not even one window"):
        train(candles, small_settings(), tmp_path, options())


@pytest.mark.parametrize("bad", [float("nan"), 1e6])
def test_nonsense_stops_the_run_keeps_the_last_good_weights_and_says_where(
    candles: CandleSeries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    """NaN or an exploded loss in step 9: the saved state of step 8 stays and is finite."""
    pieces = StageLoop._pieces

    def spoiled(self: StageLoop, rows):  # type: ignore[no-untyped-def]
        loss, parts = pieces(self, rows)
        return (bad, parts) if self.name == "predictor" and self.state.step == 8 else (loss, parts)

    monkeypatch.setattr(StageLoop, "_pieces", spoiled)
    with pytest.raises(TrainingDivergedError, match="epoch 3 at step 9") as caught:
        train(candles, small_settings(), tmp_path, options())
    assert (caught.value.stage, caught.value.step, caught.value.kept) == ("predictor", 9, 8)
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def test_patience_ends_a_stage_early(candles: CandleSeries, tmp_path: Path) -> None:
    """A learning rate of nothing gains nothing after the first epoch."""
    settings = small_settings(
        predictor=StageSettings(20, 16, 1e-30, 3.0, windows_per_epoch=32, patience=2, weight_decay=0.0)
    )
    heard: list[TrainingEvent] = []
    result = train(candles, settings, tmp_path, options(sinks=[heard.append]))
    assert result.finished
    assert result.predictor is not None
    assert result.predictor.step == 2 * 3
    assert any(isinstance(e, Notice) and "stopped early" in e.message for e in heard)


def test_adapters_train_alone_and_are_kept_merged_and_apart(
    candles: CandleSeries, unbroken: Path, tmp_path: Path
) -> None:
    """The base is untouched, the merged folder loads as a plain model, and the adapter file is small."""
    source = unbroken / "predictor" / "best"
    lora = small_settings(lora=LoraSettings(rank=2, alpha=4), predictor__learning_rate=0.02)
    given = options(
        tokenizer_from=str(unbroken / "tokenizer" / "best"), predictor_from=str(source), freeze_tokenizer=True
    )
    result = train(candles, lora, tmp_path, given)
    assert result.finished
    assert result.tokenizer is None
    base, plain = (Kronos.from_pretrained(f).state_dict() for f in (source, tmp_path / "predictor" / "best"))
    changed = {name for name in base if not torch.equal(base[name], plain[name])}
    assert "transformer.0.self_attn.q_proj.weight" in changed
    assert all(name.rsplit(".", 2)[-2] in LoraSettings().layers for name in changed)
    adapter = tmp_path / "predictor" / "best" / "adapter.safetensors"
    assert 0 < adapter.stat().st_size < (source / "model.safetensors").stat().st_size
    assert not train(
        candles, lora, tmp_path / "broken", RunOptions(**{**vars_of(given), "should_stop": stop_after(5)})
    ).finished
    train(candles, lora, tmp_path / "broken", given)
    again = Kronos.from_pretrained(tmp_path / "broken" / "predictor" / "best").state_dict()
    assert all(torch.equal(again[name], plain[name]) for name in plain)


def vars_of(given: RunOptions) -> dict[str, object]:
    return {name: getattr(given, name) for name in RunOptions.__slots__}


def test_contradictions_are_refused_before_any_work(
    candles: CandleSeries, unbroken: Path, tmp_path: Path
) -> None:
    """Nothing is written."""
    with pytest.raises(BadSettingsError, match="adapters need"):
        train(candles, small_settings(lora=LoraSettings()), tmp_path / "a", options())
    with pytest.raises(BadSettingsError, match="frozen tokenizer needs"):
        train(candles, small_settings(), tmp_path / "b", options(freeze_tokenizer=True))
    with pytest.raises(BadSettingsError, match="tokenizer makes"):
        small_settings(predictor_shape={**small_settings().predictor_shape, "s1_bits": 4})
    with pytest.raises(BadSettingsError, match="fewer than a window"):
        train(candles.part(0, 60), small_settings(), tmp_path / "c", options())
    assert not list(tmp_path.iterdir())


def test_weights_to_start_from_are_read_before_any_work(
    candles: CandleSeries, unbroken: Path, tmp_path: Path
) -> None:
    """The predictor's too, whose turn comes after the tokenizer's whole training."""
    cut = tmp_path / "cut"
    shutil.copytree(unbroken / "predictor" / "best", cut)
    file = cut / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    heard: list[TrainingEvent] = []
    with pytest.raises(WeightsUnreadableError, match="truncated"):
        train(
            candles, small_settings(), tmp_path / "a", options(predictor_from=str(cut), sinks=[heard.append])
        )
    with pytest.raises(WeightsNotFoundError, match="neither a folder nor a hub id"):
        train(candles, small_settings(), tmp_path / "b", options(tokenizer_from=str(tmp_path / "no such")))
    bits = {"predictor_shape": {**small_settings().predictor_shape, "s1_bits": 4}}
    bits["tokenizer_shape"] = {**small_settings().tokenizer_shape, "s1_bits": 4, "group_size": 7}
    base = str(unbroken / "predictor" / "best")
    with pytest.raises(BadSettingsError, match="belong together"):
        train(candles, small_settings(**bits), tmp_path / "c", options(predictor_from=base))
    assert heard == [] and [path.name for path in tmp_path.iterdir()] == ["cut"]


def test_a_run_stops_while_it_tokenises(candles: CandleSeries, unbroken: Path, tmp_path: Path) -> None:
    """Between the stages, which takes minutes where there are many windows; it goes on as if nothing had been."""
    told: list[TrainingEvent] = []

    def tokenizer_is_done() -> bool:
        return any(isinstance(event, StageDone) for event in told)

    stopped = train(
        candles, small_settings(), tmp_path, options(should_stop=tokenizer_is_done, sinks=[told.append])
    )
    assert not stopped.finished and stopped.predictor is None and not (tmp_path / "predictor").exists()
    assert train(candles, small_settings(), tmp_path, options()).finished
    expected = weights(unbroken)
    assert all(torch.equal(value, expected[name]) for name, value in weights(tmp_path).items())


def test_events_reach_a_loop_in_another_thread_and_a_file_follower(
    candles: CandleSeries, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bounded queue keeps the newest events; the file holds them all."""

    async def watch() -> list[TrainingEvent]:
        queue: asyncio.Queue[TrainingEvent] = asyncio.Queue(maxsize=5)
        sinks = [QueueSink(asyncio.get_running_loop(), queue), TerminalSink(every_seconds=0)]
        await asyncio.to_thread(train, candles, small_settings(), tmp_path, options(sinks=sinks))
        await asyncio.sleep(0)
        return [queue.get_nowait() for _ in range(queue.qsize())]

    last = asyncio.run(watch())
    assert len(last) == 5
    done = threading.Event()
    done.set()
    followed = list(follow_events(tmp_path / "events.jsonl", stop=done.is_set))
    assert followed[-1]["kind"] == "StageDone"
    assert followed[-1]["stage"] == "predictor"
    steps = [record for record in followed if record["kind"] == "StepDone"]
    assert [record["step"] for record in steps] == [*range(1, 9), *range(1, 13)]
    assert {"s1", "s2"} == set(steps[-1]["parts"])
    out = capsys.readouterr().out
    assert "samples/s ETA" in out
    assert "best so far" in out


def test_tensorboard_files_are_written(candles: CandleSeries, tmp_path: Path) -> None:
    """One event file, with curves in it."""
    train(candles, small_settings(), tmp_path, RunOptions(accelerator="cpu", should_stop=stop_after(3)))
    files = list((tmp_path / "tensorboard").iterdir())
    assert len(files) == 1
    assert files[0].stat().st_size > 500


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_learns(candles: CandleSeries, unbroken: Path, tmp_path: Path) -> None:
    """DDP on the CPU: each process takes half of every batch, and the averaged gradients are the whole batch's."""
    table = np.column_stack([candles.open_times, candles.values[:, :5]])
    header = "ts,open,high,low,close,volume"
    np.savetxt(tmp_path / "candles.csv", table, delimiter=",", header=header, comments="", fmt="%.10f")
    settings = small_settings()
    changes = {"context": 16, "horizon": 8, "shortest_context": 10, "stride": 3, "validation_windows": 16}
    changes |= {
        f"predictor.{name}": getattr(settings.predictor, name) for name in ("batch_size", "windows_per_epoch")
    }
    changes |= {f"predictor_shape.{name}": value for name, value in settings.predictor_shape.items()}
    changes |= {f"tokenizer_shape.{name}": value for name, value in settings.tokenizer_shape.items()}
    changes |= {
        "predictor.epochs": 1,
        "predictor_shape.ffn_dropout_p": 0,
        "predictor_shape.resid_dropout_p": 0,
    }
    for devices in ("1", "2"):
        command = [
            sys.executable,
            "-m",
            "kokex.kronos.training",
            str(tmp_path / "candles.csv"),
            "--threads",
            "1",
        ]
        command += [
            "--out",
            str(tmp_path / devices),
            "--devices",
            devices,
            "--accelerator",
            "cpu",
            "--freeze-tokenizer",
        ]
        command += ["--tokenizer-from", str(unbroken / "tokenizer" / "best")]
        command += [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
    one, two = (Kronos.from_pretrained(tmp_path / d / "predictor" / "last").state_dict() for d in ("1", "2"))
    for name, value in one.items():
        if not name.endswith("k_proj.bias"):  # softmax does not feel it: its gradient is rounding noise
            torch.testing.assert_close(two[name], value, rtol=1e-3, atol=2e-5, msg=name)
    first, second = ([r for r in records(tmp_path / d) if r["kind"] == "EpochDone"] for d in ("1", "2"))
    assert first[0]["validation_loss"] == pytest.approx(second[0]["validation_loss"], rel=1e-4)
