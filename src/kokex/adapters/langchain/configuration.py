"""A chain of models from what a person wrote: a TOML or JSON file, or JSON in the variable itself.

    daily_budget_usd = "5"            # of all plans together, a UTC day
    plan_daily_budget_usd = "1"       # of each plan that sets none of its own

    [[model]]
    provider = "openai"               # openai (the default), anthropic, google, ollama
    base_url = "https://api.deepseek.com/v1"
    model = "deepseek-chat"
    api_key_env = "DEEPSEEK_API_KEY"  # or api_key
    input_usd = "0.28"                # for a million tokens
    output_usd = "0.42"

JSON is the same, or the list of models alone.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kokex.adapters.langchain.packages import require_packages
from kokex.adapters.langchain.settings import ChainSettings, ModelSettings, Provider
from kokex.domain.errors import ConfigurationError
from kokex.domain.spending import Budget, Price

_VARIABLE = "KOKEX_LLM_MODELS"
_MOST_MODELS = 20
_Money = Annotated[Decimal, Field(ge=0, lt=Decimal(10_000_000))]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    provider: Provider = Provider.OPENAI
    base_url: str | None = None
    api_key: str | None = None
    api_key_env: str | None = None
    temperature: float | None = 0.0
    timeout: float = Field(default=60.0, gt=0, le=3600)
    retries: int = Field(default=2, ge=0, le=10)
    stream: bool = False
    input_usd: _Money | None = None
    output_usd: _Money | None = None


class _Chain(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: list[_Model] = Field(min_length=1, max_length=_MOST_MODELS)
    daily_budget_usd: _Money | None = None
    plan_daily_budget_usd: _Money | None = None


def read_chain(written: str, environment: Mapping[str, str]) -> ChainSettings:
    """The chain that `written` describes: a path, or JSON.

    Args:
        environment: where `api_key_env` is looked up.

    Raises:
        ConfigurationError: no such file, not TOML or JSON, or an entry that cannot be meant; it is named, keys are not shown.
    """
    text = written.strip()
    where = _VARIABLE
    if text.startswith(("[", "{")):
        document = _json(text, where)
    else:
        path = Path(text).expanduser()
        where = str(path)
        try:
            content = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{_VARIABLE} names {path}, which cannot be read: {error}") from error
        document = _json(content, where) if path.suffix == ".json" else _toml(content, where)
    if isinstance(document, list):
        document = {"model": document}
    try:
        chain = _Chain.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {_faults(error)}") from None
    models = tuple(_settings(one, number, where, environment) for number, one in enumerate(chain.model, 1))
    return with_packages(ChainSettings(models, Budget(chain.daily_budget_usd, chain.plan_daily_budget_usd)))


def with_packages(chain: ChainSettings) -> ChainSettings:
    """`chain`, once it is sure that each of its providers is installed. Raises `ConfigurationError`."""
    require_packages(chain)
    return chain


def _settings(one: _Model, number: int, where: str, environment: Mapping[str, str]) -> ModelSettings:
    place = f"{where}: model {number} ({one.model!r})"
    if (one.input_usd is None) != (one.output_usd is None):
        raise ConfigurationError(f"{place}: set both input_usd and output_usd, or neither")
    if one.api_key is not None and one.api_key_env is not None:
        raise ConfigurationError(f"{place}: set api_key or api_key_env, not both")
    key = one.api_key
    if one.api_key_env is not None:
        key = environment.get(one.api_key_env)
        if not key:
            raise ConfigurationError(f"{place}: the variable {one.api_key_env} for its key is not set")
    price = None
    if one.input_usd is not None and one.output_usd is not None:
        price = Price(one.input_usd, one.output_usd)
    try:
        return ModelSettings(
            one.base_url,
            one.model,
            key,
            one.temperature,
            one.timeout,
            one.retries,
            one.provider,
            price,
            one.stream,
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{where} is not JSON: {error}") from None


def _toml(text: str, where: str) -> Any:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not TOML: {error}") from None


def _faults(error: ValidationError) -> str:
    sentences = []
    for fault in error.errors(include_url=False, include_context=False)[:5]:
        name = ".".join(str(part + 1 if isinstance(part, int) else part) for part in fault["loc"])
        shown = isinstance(fault["input"], str | int | float | Decimal) and "key" not in name
        shown = shown and fault["type"] not in ("missing", "extra_forbidden")
        given = f" (given: {str(fault['input'])[:80]!r})" if shown else ""
        sentences.append(f"{name or 'the whole'}: {fault['msg']}{given}")
    return "; ".join(sentences)
