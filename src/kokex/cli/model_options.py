"""What `kokex model train` can be told of the version that it is to make."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import count_option
from kokex.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from kokex.domain.model import VersionWish


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Size and settings, the candles, what it starts from, and what is done with it."""

    preset: Annotated[str, typer.Option(help="Size: tiny, mini, small or base.")] = "mini"
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting: predictor.epochs=5, context=128; repeat the option."),
    ] = None
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Train on this file instead of the candles kept.")
    ] = None
    candles: Annotated[
        int | None, count_option("--candles", help="The newest so many; all where not given.")
    ] = None
    parent: Annotated[str | None, typer.Option("--from", help="Start from this version's weights.")] = None
    from_folder: Annotated[Path | None, typer.Option(help="Start from weights in this folder.")] = None
    freeze_tokenizer: Annotated[
        bool, typer.Option("--freeze-tokenizer", help="Keep the parent's tokenizer.")
    ] = False
    lora: Annotated[int | None, count_option("--lora", help="Train adapters of this rank on the parent.")] = (
        None
    )
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto"
    activate: Annotated[
        bool, typer.Option("--activate", help="Switch the plan to it as soon as it is ready.")
    ] = False

    def wish(self) -> VersionWish:
        """The version that is asked for.

        Raises:
            ConfigurationError: it would start from two things, or no version has such a name.
        """
        from kokex.domain.model import VersionWish, version_number

        if self.parent is not None and self.from_folder is not None:
            raise ConfigurationError("give --from or --from-folder, not both")
        return VersionWish(
            preset=self.preset,
            changes=tuple(self.change or ()),
            parent=None if self.parent is None else version_number(self.parent),
            base_folder=_absolute(self.from_folder),
            freeze_tokenizer=self.freeze_tokenizer,
            lora_rank=self.lora,
            candle_file=_absolute(self.csv),
            most_candles=self.candles,
            accelerator=self.accelerator,
            activate=self.activate,
        )


def _absolute(path: Path | None) -> str | None:
    """As a worker in another folder finds it."""
    return None if path is None else str(path.expanduser().absolute())
