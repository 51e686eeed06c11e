"""Packages of the providers that are extras: which is missing, told without importing any of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from kokex.adapters.langchain.settings import ChainSettings, Provider
from kokex.domain.errors import ConfigurationError

PACKAGES: Final = {
    Provider.ANTHROPIC: ("langchain_anthropic", "ChatAnthropic"),
    Provider.GOOGLE: ("langchain_google_genai", "ChatGoogleGenerativeAI"),
    Provider.OLLAMA: ("langchain_ollama", "ChatOllama"),
}
"""Module and class of each provider that is an extra of its own: `kokex[anthropic]`, `kokex[google]`, `kokex[ollama]`."""


def require_packages(chain: ChainSettings) -> None:
    """Make sure that every provider of the chain can be asked.

    Raises:
        ConfigurationError: the package of one is not installed.
    """
    for model in chain.models:
        if model.provider in PACKAGES and find_spec(PACKAGES[model.provider][0]) is None:
            raise missing_package(model.provider)


def missing_package(provider: Provider) -> ConfigurationError:
    """The error that says how to install it."""
    package = PACKAGES[provider][0].replace("_", "-")
    return ConfigurationError(
        f"provider {provider.value} needs the package {package}, which this installation does not have; "
        f"install kokex with its extra: pip install 'kokex[{provider.value}]'"
    )
