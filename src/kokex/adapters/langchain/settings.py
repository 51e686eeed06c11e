"""Which language model an agent thinks with."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kokex.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A chat model behind an OpenAI-compatible endpoint.

    Attributes:
        base_url: up to and including the version, e.g. `https://api.deepseek.com/v1` or `http://127.0.0.1:8000/v1`.
        model: the endpoint's name for it.
        api_key: None for endpoints that ask for none. Never shown.
        temperature: None leaves it to the endpoint (some models take none).
        timeout_seconds: limit of one request; the turn has its own limit besides.
        max_retries: how often a request is repeated after 429, 5xx or a broken connection.

    Raises:
        ConfigurationError: an address that is not http(s), no model name, or a number out of range.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    temperature: float | None = 0.0
    timeout_seconds: float = 60.0
    max_retries: int = 2

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigurationError(
                f"model address {self.base_url!r} must be a URL such as https://api.openai.com/v1"
            )
        if not self.model.strip():
            raise ConfigurationError(f"the model at {self.base_url} needs a name; set one")
        if not self.timeout_seconds > 0:
            raise ConfigurationError(f"model time limit {self.timeout_seconds} s must be more than zero")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise ConfigurationError(f"model temperature {self.temperature} must be between 0 and 2")
        if self.max_retries < 0:
            raise ConfigurationError(f"number of model retries {self.max_retries} must be 0 or more")

    def hide_key(self, text: str) -> str:
        """`text` without the key, should an endpoint have quoted it back."""
        return text.replace(self.api_key, "***") if self.api_key else text
