"""Which language models an agent thinks with, in the order in which they are asked, and what they may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from kokex.domain.errors import ConfigurationError
from kokex.domain.spending import Budget, Price


class Provider(StrEnum):
    """Whose protocol an endpoint speaks. `openai` is spoken by most: DeepSeek, Qwen, vLLM, LM Studio..."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    OLLAMA = "ollama"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A chat model behind an endpoint.

    Attributes:
        base_url: for `openai` up to and including the version, e.g. `https://api.deepseek.com/v1` or `http://127.0.0.1:8000/v1`;
            None: the provider's own address (not for `openai`).
        model: the endpoint's name for it.
        api_key: None for endpoints that ask for none. Never shown.
        temperature: None leaves it to the endpoint (some models take none).
        timeout_seconds: limit of one request; the turn has its own limit besides.
        max_retries: how often a request is repeated after 429, 5xx or a broken connection.
        provider: whose protocol it speaks.
        price: None where it is not known; then its cost is not known either.
        stream: take the answer in pieces, for endpoints that give it in no other way.

    Raises:
        ConfigurationError: an address that is not http(s), no model name, or a number out of range.
    """

    base_url: str | None
    model: str
    api_key: str | None = field(default=None, repr=False)
    temperature: float | None = 0.0
    timeout_seconds: float = 60.0
    max_retries: int = 2
    provider: Provider = Provider.OPENAI
    price: Price | None = None
    stream: bool = False

    def __post_init__(self) -> None:
        address = None if self.base_url is None else urlsplit(self.base_url)
        if address is None and self.provider is Provider.OPENAI:
            raise ConfigurationError(
                f"model {self.model!r} of provider openai needs an address (base_url) such as https://api.openai.com/v1"
            )
        if address is not None and (address.scheme not in ("http", "https") or not address.hostname):
            raise ConfigurationError(
                f"model address {self.base_url!r} must be a URL such as https://api.openai.com/v1"
            )
        if not self.model.strip():
            raise ConfigurationError(f"the model at {self.place} needs a name; set one")
        if not self.timeout_seconds > 0:
            raise ConfigurationError(f"model time limit {self.timeout_seconds} s must be more than zero")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise ConfigurationError(f"model temperature {self.temperature} must be between 0 and 2")
        if self.max_retries < 0:
            raise ConfigurationError(f"number of model retries {self.max_retries} must be 0 or more")
        if self.price is not None and not (self.price.input_usd >= 0 and self.price.output_usd >= 0):
            raise ConfigurationError(f"the price of model {self.model} must not be negative")

    @property
    def place(self) -> str:
        """Where it is asked, as people say it."""
        return self.base_url or self.provider.value

    def hide_key(self, text: str) -> str:
        """`text` without the key, should an endpoint have quoted it back."""
        return text.replace(self.api_key, "***") if self.api_key else text


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """Models in the order in which they are asked: the next where one fails. `budget` bounds what all of them cost.

    Raises:
        ConfigurationError: no model, or a budget and a model without a price.
    """

    models: tuple[ModelSettings, ...]
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigurationError("the list of models is empty; name at least one")
        unpriced = [one.model for one in self.models if one.price is None]
        if unpriced and self.budget != Budget():
            raise ConfigurationError(
                f"a daily budget needs the price of every model, and {', '.join(unpriced)} has none; "
                "set input_usd and output_usd for a million tokens (0 for a model of your own)"
            )

    def hide_keys(self, text: str) -> str:
        """`text` without any of the keys."""
        for model in self.models:
            text = model.hide_key(text)
        return text
