"""The environment and `.env` become values; what is wrong there becomes readable lines."""

import ipaddress
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as PydanticSettingsError

from bot.domain.errors import SettingsError

PREFIX = "DAILIES_"
NESTED = f"{PREFIX}PROVIDERS__"
KNOWN_PROVIDERS = ("animatic", "unifically")


class ProviderSettings(BaseModel):
    """What an operator may say of one provider; None leaves the provider's own figure."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr | None = None
    base_url: str | None = None
    max_concurrent: int | None = Field(default=None, ge=1, le=1000)
    requests_per_second: float | None = Field(default=None, gt=0, le=1000)
    typical_seconds: int | None = Field(default=None, ge=1, le=86_400)
    deadline_seconds: int | None = Field(default=None, ge=1, le=604_800)

    @property
    def keys(self) -> list[str]:
        """One key, or several with commas: each is an account."""
        return _listed(self.api_key.get_secret_value()) if self.api_key else []

    @property
    def base_urls(self) -> list[str]:
        return _listed(self.base_url or "")

    @field_validator("base_url")
    @classmethod
    def _addresses(cls, value: str | None) -> str | None:
        for address in _listed(value or ""):
            _check_address(address, {"https"})
        return value


class Settings(BaseSettings):
    """Every setting, by its name without the prefix."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    discord_token: SecretStr | None = None
    discord_api_url: str | None = None
    discord_gateway_url: str | None = None
    discord_cdn_hosts: str = "cdn.discordapp.com,media.discordapp.net"
    data_dir: Path = Path("./data")
    database_url: SecretStr | None = None
    provider_order: str = "animatic"
    providers: dict[str, ProviderSettings] = {}
    default_guild_budget_usd: Decimal = Field(default=Decimal(5), ge=0, le=1_000_000)
    operator_day_cap_usd: Decimal = Field(default=Decimal(50), ge=0, le=1_000_000)
    public_url: str | None = None
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8080, ge=0, le=65_535)
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def order(self) -> list[str]:
        return _listed(self.provider_order)

    @property
    def cdn_hosts(self) -> frozenset[str]:
        return frozenset(_listed(self.discord_cdn_hosts))

    @field_validator("default_guild_budget_usd", "operator_day_cap_usd")
    @classmethod
    def _whole_micros(cls, value: Decimal) -> Decimal:
        if value * 1_000_000 % 1:
            raise ValueError("has more than six decimals")
        return value

    @field_validator("provider_order")
    @classmethod
    def _known_order(cls, value: str) -> str:
        order = _listed(value)
        if not set(order) <= set(KNOWN_PROVIDERS):
            raise ValueError(f"names a provider that does not exist; there is {', '.join(KNOWN_PROVIDERS)}")
        if not order or len(set(order)) != len(order):
            raise ValueError("needs at least one provider, each once")
        return value

    @field_validator("public_url", "discord_api_url", "discord_gateway_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            _check_address(value, {"https", "wss"})
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("sqlite:///"):
            raise ValueError("must begin with sqlite:///")
        return value

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Settings":
        if (self.discord_api_url is None) != (self.discord_gateway_url is None):
            raise ValueError("DAILIES_DISCORD_API_URL and DAILIES_DISCORD_GATEWAY_URL: set both or neither")
        return self

    @property
    def database_path(self) -> Path:
        if self.database_url is None:
            return self.data_dir / "dailies.db"
        return Path(self.database_url.get_secret_value().removeprefix("sqlite:///"))

    def provider(self, name: str) -> ProviderSettings:
        return self.providers.get(name, ProviderSettings())


class DefaultSettings(Settings):
    """The same with nothing taken from the environment or a file: the demo can never spend money."""

    @classmethod
    def settings_customise_sources(cls, *_sources: object, **named: object) -> tuple[object, ...]:  # type: ignore[override] # the library's sources differ per version; only what is passed to the constructor counts
        return (named["init_settings"],)


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises SettingsError with a line per fault, never with a value."""
    faults = [*_misspelt(os.environ), *_misspelt(_dotenv_names())]
    try:
        settings = Settings()
    except ValidationError as error:
        faults += [_line(one["loc"], one["msg"]) for one in error.errors(include_input=False, include_url=False)]
    except PydanticSettingsError:
        # Its own text holds the value it could not parse, which may be a key.
        faults.append(f"{PREFIX}PROVIDERS: write one variable per field, such as {NESTED}UNIFICALLY__API_KEY")
    else:
        if not faults:
            return settings
    raise SettingsError(faults="\n".join(dict.fromkeys(faults))) from None


def _misspelt(names: Iterable[str]) -> list[str]:
    known = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    fields = {field.upper() for field in ProviderSettings.model_fields}
    faults = []
    for name in (name.upper() for name in names if name.upper().startswith(PREFIX)):
        provider, _, field = name.removeprefix(NESTED).partition("__")
        if name.startswith(NESTED) and (provider.lower() not in KNOWN_PROVIDERS or field not in fields):
            faults.append(f"{name}: no such setting; it is {NESTED}<{'|'.join(KNOWN_PROVIDERS).upper()}>__<FIELD>")
        elif not name.startswith(NESTED) and name not in known:
            faults.append(f"{name}: no such setting{_nearest(name, known)}")
    return faults


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 -- needed only when something is misspelt

    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _dotenv_names() -> list[str]:
    from dotenv import dotenv_values  # noqa: PLC0415 -- comes with pydantic-settings, used once at start

    found: Mapping[str, str | None] = dotenv_values(".env")
    return list(found)


def _line(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + "__".join(str(part) for part in location).upper() if location else ""
    words = message.removeprefix("Value error, ")
    return f"{name}: {words}" if name else words


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _check_address(address: str, secure: set[str]) -> None:
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError("must be a full address such as https://host/path")
    if parts.scheme in secure or (parts.scheme in {"http", "ws"} and _is_loopback(parts.hostname)):
        return
    raise ValueError("must be https (plain http or ws only to this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
