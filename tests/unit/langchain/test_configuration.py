"""Models as a person writes them, and every way to write them wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.adapters.langchain import ChainSettings, LangChainAgentService, ModelSettings, Provider, read_chain
from kokex.adapters.langchain.chats import arguments, make_chat
from kokex.bootstrap import model_chain
from kokex.domain.errors import ConfigurationError
from kokex.domain.spending import Budget, Price
from kokex.settings import Settings
from tests.unit.langchain.fake_toolbox import FakeClock

ONE = {"model": "small", "base_url": "http://127.0.0.1:8000/v1"}
TOML = """
daily_budget_usd = "5"
plan_daily_budget_usd = 1.5

[[model]]
base_url = "https://api.deepseek.com/v1"
model = "deepseek-chat"
api_key_env = "DEEPSEEK_API_KEY"
input_usd = 0.28
output_usd = "0.42"

[[model]]
base_url = "http://127.0.0.1:8000/v1"
model = "local"
timeout = 20
retries = 0
stream = true
input_usd = 0
output_usd = 0
"""


def test_a_file_in_toml(tmp_path: Path) -> None:
    """In its order, prices exact, the key from the variable that is named."""
    path = tmp_path / "models.toml"
    path.write_text(TOML, "utf-8")
    chain = read_chain(str(path), {"DEEPSEEK_API_KEY": "sk-secret"})
    first, second = chain.models
    assert (first.model, first.api_key, first.price) == (
        "deepseek-chat",
        "sk-secret",
        Price(Decimal("0.28"), Decimal("0.42")),
    )
    assert (second.timeout_seconds, second.max_retries, second.stream) == (20, 0, True)
    assert chain.budget == Budget(Decimal(5), Decimal("1.5"))
    assert "sk-secret" not in repr(chain)
    assert chain.hide_keys("bad key sk-secret") == "bad key ***"


def test_json_in_the_variable_and_in_a_file(tmp_path: Path) -> None:
    """A list of models is enough."""
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"model": [ONE]}), "utf-8")
    assert read_chain(json.dumps([ONE]), {}) == read_chain(str(path), {})


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("/no/such/file.toml", "cannot be read"),
        ("[", "not JSON"),
        ("[]", "at least 1"),
        ("{}", "model: Field required"),
        ("[1]", "model.1"),
        (json.dumps([ONE | {"modell": "x"}]), "modell"),
        (json.dumps([ONE | {"provider": "openia"}]), "openia"),
        (json.dumps([ONE | {"timeout": "soon"}]), "soon"),
        (json.dumps([ONE | {"timeout": -1}]), "timeout"),
        (json.dumps([ONE | {"retries": 1000}]), "retries"),
        (json.dumps([ONE | {"input_usd": 1}]), "both input_usd and output_usd"),
        (json.dumps([ONE | {"input_usd": -1, "output_usd": 1}]), "input_usd"),
        (json.dumps([ONE | {"input_usd": "NaN", "output_usd": 1}]), "input_usd"),
        (json.dumps([{"model": "x"}]), "model 1 ('x'): .*needs an address"),
        (json.dumps([ONE | {"base_url": "localhost"}]), "model 1 .*'localhost'"),
        (json.dumps([ONE | {"model": " "}]), "name"),
        (json.dumps([ONE | {"api_key_env": "NOT_THERE"}]), "NOT_THERE for its key is not set"),
        (json.dumps([ONE | {"api_key_env": "A", "api_key": "b"}]), "not both"),
        (json.dumps({"model": [ONE], "daily_budget_usd": 1}), "small has none"),
        (json.dumps({"model": [ONE], "daily_budget_usd": "lots"}), "lots"),
        (json.dumps([ONE] * 21), "20"),
    ],
)
def test_what_is_wrong_is_named(written: str, named: str) -> None:
    """With the entry's number and the value."""
    pattern = named.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ConfigurationError, match=pattern):
        read_chain(written, {})


@pytest.mark.parametrize("name", ["api_key", "apikey", "secret"])
def test_a_wrong_key_is_not_shown(name: str) -> None:
    """Whatever is wrong with it, and under whatever name it was written."""
    value: Any = {"api_key": ["sk-secret"]}.get(name, "sk-secret")
    with pytest.raises(ConfigurationError) as caught:
        read_chain(json.dumps([ONE | {name: value}]), {})
    assert "sk-secret" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("provider", [Provider.ANTHROPIC, Provider.GOOGLE, Provider.OLLAMA])
def test_a_provider_that_is_not_installed_says_how_to_install_it(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the settings are read, before any turn."""
    monkeypatch.setattr("kokex.adapters.langchain.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'kokex\[{provider.value}\]'"):
        read_chain(json.dumps([{"model": "m", "provider": provider.value}]), {})


def test_a_package_that_is_missing_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sentence when the model is made."""
    monkeypatch.setitem(__import__("sys").modules, "langchain_anthropic", None)
    with pytest.raises(ConfigurationError, match="langchain-anthropic"):
        make_chat(ModelSettings(None, "m", provider=Provider.ANTHROPIC))


def test_what_the_other_providers_are_made_with() -> None:
    """Their own retries are off; the key never in sight; Ollama's time limit goes to its client."""
    anthropic = arguments(ModelSettings(None, "m", "sk-secret", provider=Provider.ANTHROPIC, stream=True))
    assert anthropic["max_retries"] == 0 and anthropic["timeout"] == 60 and anthropic["streaming"]
    assert anthropic["api_key"].get_secret_value() == "sk-secret" and "sk-secret" not in repr(anthropic)
    ollama = arguments(
        ModelSettings("http://127.0.0.1:11434", "m", provider=Provider.OLLAMA, temperature=None)
    )
    assert ollama == {
        "model": "m",
        "base_url": "http://127.0.0.1:11434",
        "client_kwargs": {"timeout": 60.0, "follow_redirects": False},
    }


def test_settings_of_one_model_or_of_several(tmp_path: Path) -> None:
    """None, one, several; both is an error."""
    home = {"home": tmp_path, "llm_models": None, "llm_base_url": None}
    assert model_chain(Settings(**home)) is None
    one = model_chain(
        Settings(
            **home
            | {
                "llm_base_url": "http://a/v1",
                "llm_input_usd": 1,
                "llm_output_usd": 2,
                "llm_daily_budget_usd": 3,
            }
        )
    )
    assert one is not None and one.models[0].price == Price(Decimal(1), Decimal(2))
    assert one.budget.platform_usd == 3
    several = model_chain(Settings(**home | {"llm_models": json.dumps([ONE, ONE])}))
    assert several is not None and len(several.models) == 2
    with pytest.raises(ConfigurationError, match="not both"):
        model_chain(Settings(**home | {"llm_models": "[]", "llm_base_url": "http://a/v1"}))
    with pytest.raises(ConfigurationError, match="LLM_OUTPUT_USD"):
        model_chain(Settings(**home | {"llm_base_url": "http://a/v1", "llm_input_usd": 1}))


def test_a_budget_needs_a_place_to_keep_what_was_spent() -> None:
    """It cannot be kept in memory: a restart would forget it."""
    model = ModelSettings("http://a/v1", "m", price=Price(Decimal(1), Decimal(1)))
    with pytest.raises(ConfigurationError, match="place to keep"):
        LangChainAgentService(ChainSettings((model,), Budget(Decimal(1))), FakeClock())
