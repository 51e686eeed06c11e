"""Set-up knows what is done, what is due, and which `.venv` must be made anew."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def setup_env(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, loaded from its file and pointed at a `.venv` of the test's own, whose Python is 3.11."""
    monkeypatch.setattr(sys, "path", [str(checkout / "scripts"), *sys.path])
    monkeypatch.delenv("KOKEX_TORCH", raising=False)
    spec = importlib.util.spec_from_file_location("setup_env", checkout / "scripts" / "setup_env.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / "with a space" / ".venv"
    (venv / "bin").mkdir(parents=True)
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "STAMP", venv / "kokex-setup.json")
    monkeypatch.setattr(module, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(module, "python_version", lambda: "3.11")
    return module


def sound(setup_env: ModuleType) -> dict:
    """A stamp that says everything is installed."""
    return {"path": str(setup_env.VENV), "python": "3.11", "done": setup_env.digests(), "torch": "cpu"}


def test_what_is_installed_is_not_due(setup_env: ModuleType) -> None:
    """The stamp survives writing and reading, and nothing is left to do."""
    setup_env.write_stamp(sound(setup_env))
    stamp = setup_env.read_stamp()
    assert setup_env.flaw(stamp) is None
    assert setup_env.due(["run", "model", "test"], stamp) == []


def test_the_demo_needs_no_model(setup_env: ModuleType) -> None:
    """A fresh environment gets only the groups that are asked for, in order."""
    assert setup_env.due(["run"], {}) == ["tools", "run", "project"]
    assert setup_env.due(["run", "model", "test"], {}) == ["tools", "run", "project", "model", "test"]


def test_a_changed_lock_is_due_again(setup_env: ModuleType) -> None:
    """Only the group whose lock changed."""
    stamp = sound(setup_env)
    stamp["done"] = {**stamp["done"], "test": "another hash"}
    assert setup_env.due(["run", "model", "test"], stamp) == ["test"]
    assert setup_env.due(["run"], stamp) == []


def test_another_build_of_torch_is_due_when_asked_for(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name only: a GPU that comes or goes changes nothing by itself."""
    monkeypatch.setenv("KOKEX_TORCH", "cuda")
    assert setup_env.due(["run", "model"], sound(setup_env)) == ["model"]
    monkeypatch.setenv("KOKEX_TORCH", "cpu")
    assert setup_env.due(["run", "model"], sound(setup_env)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "/elsewhere/.venv"}, "it was made as /elsewhere/.venv"),
        ({"python": "3.12"}, "with Python 3.12"),
        ({"installing": "run"}, "installing run was interrupted"),
    ],
)
def test_a_moved_or_interrupted_environment_is_made_anew(
    setup_env: ModuleType, change: dict, words: str
) -> None:
    """The reason is said."""
    assert words in setup_env.flaw({**sound(setup_env), **change})


@pytest.mark.parametrize(
    ("version", "words"), [(None, "its Python does not run"), ("3.10", "its Python is 3.10")]
)
def test_an_environment_without_a_fit_python_is_made_anew(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str | None, words: str
) -> None:
    """Whatever the stamp says."""
    monkeypatch.setattr(setup_env, "python_version", lambda: version)
    assert setup_env.flaw(sound(setup_env)) == words


def test_a_hand_made_environment_is_adopted_if_it_was_made_here(setup_env: ModuleType) -> None:
    """Its pip script names this folder; without one it is half made."""
    assert setup_env.flaw({}) == "it is half made or was moved"
    setup_env.PYTHON.with_name("pip").write_text(f"#!{setup_env.PYTHON}\n", "utf-8")
    assert setup_env.flaw({}) is None


def test_a_broken_stamp_counts_as_none(setup_env: ModuleType) -> None:
    """Half-written or of another shape."""
    for content in ("{", "[]", ""):
        setup_env.STAMP.write_text(content, "utf-8")
        assert setup_env.read_stamp() == {}


def test_unknown_groups_are_refused_in_one_sentence(
    setup_env: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the names that exist."""
    assert setup_env.main(["everything"]) == 1
    assert (
        capsys.readouterr().err
        == "\nSet-up failed: name one or more of run, model, test, not ['everything'].\n"
    )
