"""The agent: LangChain tools, a language model where one is configured, and the built-in policy where none is.

Only `model`, `chats`, `fallback`, `middleware`, `recording` and `tools.structured_tools` import LangChain; the built-in policy runs without it.
"""

from __future__ import annotations

from kokex.adapters.langchain.configuration import read_chain
from kokex.adapters.langchain.service import LangChainAgentService
from kokex.adapters.langchain.settings import ChainSettings, ModelSettings, Provider

__all__ = ["ChainSettings", "LangChainAgentService", "ModelSettings", "Provider", "read_chain"]
