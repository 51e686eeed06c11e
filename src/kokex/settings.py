"""Settings, from the environment (`KOKEX_...`) alone; the command line passes its own on through it."""

from __future__ import annotations

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
    llm_base_url: str | None = Field(
        default=None, description="An OpenAI-compatible endpoint. Without it the built-in policy decides."
    )
    llm_api_key: SecretStr = Field(default=SecretStr(""), description="Key of that endpoint.")
    llm_model: str = Field(default="gpt-5-mini", description="Model to ask for there.")
    llm_timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for one answer of the model.")
    llm_temperature: float | None = Field(
        default=None, description="Sampling temperature; the model's own if unset."
    )

    @property
    def folder(self) -> Path:
        """`home` with `~` resolved, absolute."""
        return self.home.expanduser().absolute()
