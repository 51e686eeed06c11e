"""`kokex model`: train, look at, switch and move model versions."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.model_options import TrainingOptions
from kokex.cli.option_groups import grouped
from kokex.cli.options import AsJson, count_option
from kokex.cli.output import note, say, say_json
from kokex.cli.running import load_settings, with_application, with_plan

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.model import ModelVersion
    from kokex.domain.plan import Plan

app = typer.Typer(no_args_is_help=True, help="Models: train, compare, switch, export, import.")

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name or number.")]
VersionName = Annotated[str, typer.Argument(metavar="VERSION", help="v1, v2 and so on.")]
MaybeVersion = Annotated[
    str | None, typer.Argument(metavar="VERSION", help="v1, v2...; the active one where not given.")
]


@app.command()
@grouped
def train(
    *,
    plan: PlanName,
    options: TrainingOptions,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to a worker (`kokex up` has one), and return.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with this version, stopped before.")
    ] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Train the plan's next version here, with its progress; Ctrl-C stops it where --resume goes on.

    It is judged on candles that it never saw and kept with all that made it. Nothing is switched without --activate.
    """
    from kokex.cli.model_training import resume_training, train_here
    from kokex.domain.model import version_number

    wish = options.wish()

    async def work(opened: Application, found: Plan) -> ModelVersion | None:
        if resume is not None:
            return await resume_training(opened, found, version_number(resume))
        if queue:
            return await opened.training.request(found, wish)
        return await train_here(opened, found, wish)

    version = with_plan(plan, work)
    if version is None:
        raise typer.Exit(130)
    if as_json:
        _say_version(version)
    elif queue:
        say(f"{version.name} waits for a worker; watch it: kokex model show {plan} {version.name} --follow")
    else:
        _print_version(version)
        if not version.active:
            say(f"Have the plan forecast with it: kokex model activate {plan} {version.name}")


@app.command("list")
def list_versions(
    plan: Annotated[str | None, typer.Argument(metavar="PLAN", help="All plans where not given.")] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show the versions: what made them, how good they are, which is active."""
    from kokex.cli.finding import find_plan
    from kokex.cli.model_report import print_versions, version_document

    async def read(opened: Application) -> Any:
        plans = {one.id: one.name for one in await opened.store.plans.list()}
        chosen = None if plan is None else await find_plan(opened.store, plan)
        return plans, await opened.models.versions(chosen)

    names, versions = with_application(read)
    if as_json:
        say_json([version_document(one, plan=names[one.plan_id], brief=True) for one in versions])
    elif not versions:
        say("No versions yet; train one: kokex model train PLAN --preset tiny")
    else:
        print_versions(versions, names)


@app.command()
def show(
    plan: PlanName,
    version: MaybeVersion = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show its training's progress until it ends.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show a version: data, settings, curves, evaluation against the baseline."""
    from kokex.cli.model_training import follow_training

    async def read(opened: Application, found: Plan) -> ModelVersion:
        if follow:
            return await follow_training(opened, found, _number(version), as_json=as_json)
        return await opened.models.version(found, _number(version))

    chosen = with_plan(plan, read)
    if as_json:
        _say_version(chosen)
    else:
        _print_version(chosen)


@app.command()
def compare(
    plan: PlanName,
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="[VERSION]...", help="All that were judged where not given.")
    ] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Compare versions, each with the baseline on its own windows."""
    from kokex.cli.model_report import print_comparison, version_document
    from kokex.domain.model import version_number

    async def read(opened: Application, found: Plan) -> list[ModelVersion]:
        if versions:
            numbers = [version_number(text) for text in versions]
            return [await opened.store.models.by_number(found.id, number) for number in numbers]
        return [one for one in await opened.models.versions(found) if one.evaluation]

    chosen = with_plan(plan, read)
    if as_json:
        say_json([version_document(one, brief=True) for one in chosen])
    elif not chosen:
        say(f"No version of {plan} was judged yet; train one: kokex model train {plan}")
    else:
        print_comparison(chosen)


@app.command()
def activate(plan: PlanName, version: VersionName, as_json: Annotated[bool, AsJson] = False) -> None:
    """Have the plan forecast with a version from the next close on."""
    from kokex.domain.model import version_number

    chosen = with_plan(plan, lambda opened, found: opened.models.activate(found, version_number(version)))
    if as_json:
        _say_version(chosen)
    else:
        say(f"Plan {plan} forecasts with {chosen.name} from the next close on, as long as a worker answers.")


@app.command()
def rollback(plan: PlanName, as_json: Annotated[bool, AsJson] = False) -> None:
    """Undo the last activation: back to the version before it, or to the baseline."""
    now = with_plan(plan, lambda opened, found: opened.models.roll_back(found))
    if as_json:
        say_json({"active": None if now is None else now.name})
    else:
        say(
            f"Plan {plan} forecasts with {'the baseline' if now is None else now.name} from the next close on."
        )


@app.command()
def prune(
    plan: PlanName,
    keep: Annotated[int, count_option("--keep", help="Keep the newest so many, besides the active one.")] = 5,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Remove the weights of old versions; their records stay, and so does whatever is active."""
    done = with_plan(plan, lambda opened, found: opened.models.prune(found, keep))
    names = [one.name for one in done.versions]
    if as_json:
        say_json({"pruned": names, "bytes_freed": done.bytes_freed})
    else:
        say(f"Pruned: {', '.join(names) or 'nothing'}; {done.bytes_freed / 1e6:.1f} MB are free again.")


@app.command()
def export(
    plan: PlanName,
    version: MaybeVersion = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file; where not given, PLAN-VERSION.kokex.zip here."),
    ] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Write a version as one file: weights in the published layout, and the record of its training."""

    async def write(opened: Application, found: Plan) -> Any:
        chosen = await opened.models.version(found, _number(version))
        file = (out or Path(f"{found.name}-{chosen.name}.kokex.zip")).expanduser().absolute()
        return file, *await opened.models.export(found, chosen.number, file)

    file, chosen, size = with_plan(plan, write)
    if as_json:
        say_json({"version": chosen.name, "file": file, "bytes": size, "content_hash": chosen.content_hash})
    else:
        say(f"{chosen.name} is written to {file} ({size / 1e6:.1f} MB).")


@app.command("import")
def import_version(
    plan: PlanName,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="An exported file, or a folder with tokenizer and predictor."),
    ],
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Take in an exported version, or published weights, as the plan's next version. Hashes and shapes are checked."""

    async def take(opened: Application, found: Plan) -> ModelVersion:
        from kokex.bootstrap import trainer

        return await opened.models.import_(found, file.expanduser(), trainer())

    chosen = with_plan(plan, take)
    if as_json:
        _say_version(chosen)
    else:
        say(
            f"Imported as {chosen.name}. Have the plan forecast with it: kokex model activate {plan} {chosen.name}"
        )


@app.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="mini, small or base.")] = "small",
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Fetch published weights; without a network, say how to bring them by hand."""
    from kokex.cli.model_pull import pull_published

    folder = pull_published(load_settings().folder / "models" / "published", name)
    if as_json:
        say_json({"name": name, "folder": folder})
    else:
        say(f"Kronos {name} is in {folder}. Use it: kokex forecast PLAN --model {folder}")
        say(f"Or take it as a plan's version: kokex model import PLAN {folder}")


@app.command()
def evaluate(
    plan: PlanName,
    version: MaybeVersion = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the report: JSON, Markdown, HTML, plots.")
    ] = None,
    horizon: Annotated[int | None, count_option("--horizon", help="Candles to forecast.")] = None,
    stride: Annotated[int | None, count_option("--stride", help="Candles between origins.")] = None,
    paths: Annotated[int, count_option("--paths", help="Sampled futures at each origin.")] = 100,
    every_baseline: Annotated[
        bool, typer.Option("--every-baseline", help="Also persistence, drift, GARCH, seasonal: minutes more.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Judge a version anew, walking forward over candles that its training never saw."""

    async def judge(opened: Application, found: Plan) -> ModelVersion | None:
        from kokex.bootstrap import trainer
        from kokex.cli.model_training import judge_here
        from kokex.ports.models import EvaluationWish

        chosen = await opened.models.version(found, _number(version))
        wish = EvaluationWish(
            name=chosen.forecaster,
            baseline_context=found.forecast.context,
            horizon=horizon,
            stride=stride,
            paths=paths,
            every_baseline=every_baseline,
            report=out,
        )
        return await judge_here(opened, chosen, trainer(), wish)

    chosen = with_plan(plan, judge)
    if chosen is None:
        note("Stopped; the version keeps the evaluation that it had.")
        raise typer.Exit(130)
    if as_json:
        _say_version(chosen)
    else:
        _print_version(chosen)
        if out is not None:
            say(f"The report is in {out}.")


def _number(version: str | None) -> int | None:
    from kokex.domain.model import version_number

    return None if version is None else version_number(version)


def _say_version(version: ModelVersion) -> None:
    from kokex.cli.model_report import version_document

    say_json(version_document(version))


def _print_version(version: ModelVersion) -> None:
    from kokex.cli.model_report import print_version

    print_version(version)
