"""Settings, from the environment (`KOKEX_...`) alone; the command line passes its own on through it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a KOKEX process is told from outside. Everything has a default that works on a laptop."""

    model_config = SettingsConfigDict(env_prefix="KOKEX_", extra="ignore")

    home: Path = Field(
        default=Path("~/.kokex"), description="Folder for the embedded database, keys and models."
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL to use instead of the embedded one: postgresql://user:password@host/name.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    log_json: bool = Field(default=False, description="One JSON object a log line instead of text.")
    llm_models: SecretStr | None = Field(
        default=None,
        description="Several models, asked in their order: a TOML or JSON file, or JSON. Instead of the KOKEX_LLM_... for one.",
    )
    llm_base_url: str | None = Field(
        default=None,
        description="An OpenAI-compatible endpoint. Without it or KOKEX_LLM_MODELS the built-in policy decides.",
    )
    llm_api_key: SecretStr = Field(default=SecretStr(""), description="Key of that endpoint.")
    llm_model: str = Field(default="gpt-5-mini", description="Model to ask for there.")
    llm_timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for one answer of the model.")
    llm_temperature: float | None = Field(
        default=None, description="Sampling temperature; the model's own if unset."
    )
    llm_input_usd: Decimal | None = Field(
        default=None, ge=0, description="US dollars for a million tokens that it reads."
    )
    llm_output_usd: Decimal | None = Field(
        default=None, ge=0, description="US dollars for a million tokens that it writes."
    )
    llm_daily_budget_usd: Decimal | None = Field(
        default=None, ge=0, description="US dollars that all plans' turns with it may cost in a UTC day."
    )
    llm_plan_daily_budget_usd: Decimal | None = Field(
        default=None, ge=0, description="The same, of each plan that sets no budget of its own."
    )

    @property
    def folder(self) -> Path:
        """`home` with `~` resolved, absolute."""
        return self.home.expanduser().absolute()
