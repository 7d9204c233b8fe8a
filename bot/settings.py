"""The environment and `.env` become values; what is wrong there becomes readable lines."""

import ipaddress
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from dotenv.parser import Binding, parse_stream
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.domain.errors import SettingsError

PREFIX = "DAILIES_"
NESTED = f"{PREFIX}PROVIDERS__"
KNOWN_PROVIDERS = ("animatic", "unifically", "apiyi", "apiframe", "byteplus", "v3_async", "ark", "fal", "replicate")
FILE = Path(".env")
SQLITE = "sqlite:///"


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
            _check_address(address, "https", "http")
        return value


class Settings(BaseSettings):
    """Every setting, by its name without the prefix."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        enable_decoding=False,  # the library's error about a value that is no JSON holds the value
        validate_default=True,
    )

    discord_token: SecretStr | None = None
    discord_api_url: str | None = None
    discord_gateway_url: str | None = None
    discord_cdn_hosts: str = "cdn.discordapp.com,media.discordapp.net"
    data_dir: Path = Path("./data")
    database_url: SecretStr | None = None
    provider_order: str = "animatic"
    providers: dict[str, ProviderSettings] = {}
    default_guild_budget_usd: Decimal = Field(default=Decimal(5), ge=0, le=1_000_000, decimal_places=6)
    operator_day_cap_usd: Decimal = Field(default=Decimal(50), ge=0, le=1_000_000, decimal_places=6)
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

    @field_validator("discord_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all("!" <= letter <= "~" for letter in value.get_secret_value()):
            raise ValueError("holds characters that no token has; copy it anew from Discord's developer page")
        return value

    @field_validator("discord_cdn_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        hosts = _listed(value)
        if not hosts or any(_split(f"//{host}").netloc != host or "@" in host for host in hosts):
            raise ValueError("must be hosts such as cdn.discordapp.com or 127.0.0.1:8090, with commas between them")
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

    @field_validator("public_url", "discord_api_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            _check_address(value, "https", "http")
        return value

    @field_validator("discord_gateway_url")
    @classmethod
    def _gateway(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            _check_address(value, "wss", "ws")
        if "discord_api_url" in info.data and (info.data["discord_api_url"] is None) != (value is None):
            raise ValueError(f"set it together with {PREFIX}DISCORD_API_URL, or neither")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().removeprefix(SQLITE).strip("/"):
            raise ValueError("must name a file after sqlite:///")
        if value is not None and not value.get_secret_value().startswith(SQLITE):
            raise ValueError("must begin with sqlite:///; other databases are not supported")
        return value

    @property
    def database_path(self) -> Path:
        if self.database_url is None:
            return self.data_dir / "dailies.db"
        return Path(self.database_url.get_secret_value().removeprefix(SQLITE))

    def provider(self, name: str) -> ProviderSettings:
        return self.providers.get(name, ProviderSettings())


class SettingsWithoutFile(Settings):
    """The same from the environment alone."""

    model_config = SettingsConfigDict(env_file=None)


class DefaultSettings(Settings):
    """The same with nothing taken from the environment or a file: the demo can never spend money."""

    @classmethod
    def settings_customise_sources(cls, *_sources: object, **named: object) -> tuple[object, ...]:  # type: ignore[override] # the library's sources differ per version; only what is passed to the constructor counts
        return (named["init_settings"],)


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises SettingsError with a line per fault, never with a value."""
    bindings, faults = _read_file()
    faults += [fault for fault in map(_misspelt, [*os.environ, *_names(bindings)]) if fault]
    try:
        settings = Settings() if bindings else SettingsWithoutFile()
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        faults += [f"{_name(one['loc'])}: {_words(one)}" for one in wrong if not _is_shape(one)]
    else:
        if not faults:
            return settings
    raise SettingsError(faults="\n".join(dict.fromkeys(faults))) from None


def _read_file() -> tuple[list[Binding], list[str]]:
    """What `.env` sets, or what is wrong with it: then it sets nothing. A folder of this name is somebody else's."""
    if not FILE.exists() or FILE.is_dir():
        return [], []
    if not FILE.is_file():
        return [], [f"{FILE}: is not a plain file"]
    try:
        with FILE.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except UnicodeDecodeError:
        return [], [f"{FILE}: is not text in UTF-8"]
    except OSError as fault:
        return [], [f"{FILE}: cannot be read: {(fault.strerror or 'unknown reason').lower()}"]
    faults = [f"{FILE}: line {_line(one)} is not NAME=value" for one in bindings if _is_broken(one)]
    return ([] if faults else bindings), faults


def _is_broken(binding: Binding) -> bool:
    return binding.error or (binding.key is not None and binding.value is None)


def _line(binding: Binding) -> int:
    """The library counts from the empty lines before it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _names(bindings: Iterable[Binding]) -> list[str]:
    return [binding.key for binding in bindings if binding.key is not None]


def _misspelt(given: str) -> str | None:
    """What is wrong with a variable's name, if it is one of ours."""
    name, known = given.upper(), _known_names()
    if not name.startswith(PREFIX) or name in known:
        return None
    if name == NESTED.removesuffix("__"):
        return f"{name}: write one variable per field, such as {NESTED}UNIFICALLY__API_KEY"
    return f"{name}: no such setting{_nearest(name, known)}"


def _known_names() -> list[str]:
    whole = [f"{PREFIX}{field}".upper() for field in Settings.model_fields if field != "providers"]
    nested = [f"{NESTED}{one}__{field}".upper() for one in KNOWN_PROVIDERS for field in ProviderSettings.model_fields]
    return whole + nested


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 -- needed only when something is misspelt

    near = get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], n=1)
    return f"; did you mean {PREFIX}{near[0]}?" if near else "; docs/settings.md lists them all"


def _name(location: tuple[int | str, ...]) -> str:
    return (PREFIX + "__".join(str(part) for part in location)).upper()


def _is_shape(error: Mapping[str, Any]) -> bool:  # Any: pydantic's error details
    """Too few or too many names in a row: told as a misspelt one already, and a part of it may be a value's own."""
    return error["loc"][0] == "providers" and str(error["type"]).endswith(("_type", "_forbidden"))


def _words(error: Mapping[str, Any]) -> str:  # Any: pydantic's error details
    """In our own words: not every sentence of the library can be trusted to leave the value out."""
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return _WORDS.get(error["type"], "is not valid").format(**error.get("ctx", {}))


_WORDS = {
    "int_parsing": "must be a whole number",
    "decimal_parsing": "must be a number such as 5 or 2.50",
    "float_parsing": "must be a number such as 5 or 2.50",
    "finite_number": "must be a number such as 5 or 2.50",
    "decimal_max_places": "has more than {decimal_places} decimals",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:,}",
    "literal_error": "must be {expected}",
}


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _split(address: str) -> SplitResult:
    """The library's own errors hold the address."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    if not parts.hostname or not address.isprintable() or " " in address:
        raise ValueError(_NO_ADDRESS)
    return parts


_NO_ADDRESS = "must be a full address such as https://host/path"


def _check_address(address: str, secure: str, plain: str) -> None:
    parts = _split(address)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must end with its path, and hold no user name or password")
    if parts.scheme != secure and not (parts.scheme == plain and _is_loopback(parts.hostname or "")):
        raise ValueError(f"must begin with {secure}:// ({plain}:// only on this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
