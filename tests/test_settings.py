"""Settings: every documented name works; what is wrong is a line that names the variable and never its value."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.errors import SettingsError
from bot.settings import DefaultSettings, Settings, load_settings
from tests.commandline.rig import several

CANARY = "canary-5f1d"
NESTED = "DAILIES_PROVIDERS__UNIFICALLY__"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and none of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("DAILIES_")]:
        monkeypatch.delenv(name)


def faults_of(monkeypatch: pytest.MonkeyPatch, **given: str) -> list[str]:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    said = str(caught.value)
    assert CANARY not in said
    assert caught.value.__cause__ is None
    return said.splitlines()


def test_without_any_setting_the_defaults_are_those_documented() -> None:
    settings = load_settings()
    assert (settings.order, settings.providers) == (["animatic"], {})
    assert settings.data_dir == Path("data")
    assert settings.database_path == Path("data/dailies.db")
    assert settings.cdn_hosts == {"cdn.discordapp.com", "media.discordapp.net"}
    assert (settings.default_guild_budget_usd, settings.operator_day_cap_usd) == (Decimal(5), Decimal(50))
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 8080)
    assert (settings.log_format, settings.log_level) == (None, "INFO")
    assert (settings.discord_token, settings.discord_api_url, settings.public_url) == (None, None, None)


def test_every_documented_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "DAILIES_DISCORD_TOKEN": "token",
        "DAILIES_DISCORD_API_URL": "http://127.0.0.1:8091/api/v10",
        "DAILIES_DISCORD_GATEWAY_URL": "ws://127.0.0.1:8091/gateway",
        "DAILIES_DISCORD_CDN_HOSTS": "127.0.0.1:8091, cdn.example",
        "DAILIES_DATA_DIR": "/srv/dailies",
        "DAILIES_DATABASE_URL": "sqlite:////srv/books.db",
        "DAILIES_PROVIDER_ORDER": "unifically, animatic",
        f"{NESTED}API_KEY": "one, two",
        f"{NESTED}BASE_URL": "https://a.example/v, https://b.example",
        f"{NESTED}MAX_CONCURRENT": "4",
        f"{NESTED}REQUESTS_PER_SECOND": "0.5",
        f"{NESTED}TYPICAL_SECONDS": "90",
        f"{NESTED}DEADLINE_SECONDS": "900",
        "DAILIES_DEFAULT_GUILD_BUDGET_USD": "0",
        "DAILIES_OPERATOR_DAY_CAP_USD": "0.000001",
        "DAILIES_PUBLIC_URL": "https://dailies.example",
        "DAILIES_WEB_HOST": "0.0.0.0",  # noqa: S104 -- a value to read back, nobody listens
        "DAILIES_WEB_PORT": "0",
        "DAILIES_LOG_FORMAT": "json",
        "DAILIES_LOG_LEVEL": "DEBUG",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert {f"DAILIES_{name}".upper() for name in Settings.model_fields} == {
        *(name for name in given if not name.startswith(NESTED)),
        "DAILIES_PROVIDERS",
    }
    row = settings.provider("unifically")
    assert (row.keys, row.base_urls) == (["one", "two"], ["https://a.example/v", "https://b.example"])
    assert (row.max_concurrent, row.requests_per_second, row.typical_seconds, row.deadline_seconds) == (4, 0.5, 90, 900)
    assert settings.order == ["unifically", "animatic"]
    assert settings.database_path == Path("/srv/books.db")
    assert settings.operator_day_cap_usd == Decimal("0.000001")
    assert "token" not in repr(settings.discord_token)


def test_the_file_counts_and_the_environment_goes_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DAILIES_WEB_PORT=1\nDAILIES_LOG_LEVEL=ERROR\nOTHER=x\n# a comment\nexport A='b'\n")
    monkeypatch.setenv("DAILIES_WEB_PORT", "2")
    settings = load_settings()
    assert (settings.web_port, settings.log_level) == (2, "ERROR")


def test_the_example_file_is_in_order(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / ".env.example"
    (tmp_path / ".env").write_text(example.read_text())
    assert load_settings().discord_token is None


MALFORMED = [
    ("DAILIES_WEB_PORT", CANARY, "must be a whole number"),
    ("DAILIES_WEB_PORT", "65536", "must be at most 65,535"),
    ("DAILIES_DEFAULT_GUILD_BUDGET_USD", "-1", "must be at least 0"),
    ("DAILIES_DEFAULT_GUILD_BUDGET_USD", CANARY, "must be a number such as 5 or 2.50"),
    ("DAILIES_OPERATOR_DAY_CAP_USD", "1.0000001", "has more than 6 decimals"),
    ("DAILIES_OPERATOR_DAY_CAP_USD", "1." + "0" * 60 + "1", "has more than 6 decimals"),
    ("DAILIES_OPERATOR_DAY_CAP_USD", "NaN", "must be a number such as 5 or 2.50"),
    ("DAILIES_PROVIDER_ORDER", f"animatic,{CANARY}", "names a provider that does not exist"),
    ("DAILIES_PROVIDER_ORDER", "animatic,animatic", "needs at least one provider, each once"),
    ("DAILIES_PROVIDER_ORDER", ",", "needs at least one provider, each once"),
    ("DAILIES_DISCORD_TOKEN", f"{CANARY} {CANARY}", "holds characters that no token has"),
    ("DAILIES_DISCORD_CDN_HOSTS", f"https://{CANARY}", "must be hosts"),
    ("DAILIES_DISCORD_CDN_HOSTS", f"{CANARY}:port", "must be"),
    ("DAILIES_PUBLIC_URL", f"http://{CANARY}.example", "must begin with https://"),
    ("DAILIES_PUBLIC_URL", f"wss://{CANARY}.example", "must begin with https://"),
    ("DAILIES_PUBLIC_URL", CANARY, "must be a full address"),
    ("DAILIES_PUBLIC_URL", f"http://127.0.0.1:{CANARY}", "must be a full address"),
    ("DAILIES_PUBLIC_URL", f"https://[{CANARY}", "must be a full address"),
    ("DAILIES_PUBLIC_URL", f"https://{CANARY}\u2100.example", "must be a full address"),
    ("DAILIES_PUBLIC_URL", f"https://u:{CANARY}@a.example", "must end with its path, and hold no user name"),
    ("DAILIES_DATABASE_URL", f"postgresql://u:{CANARY}@host/db", "must begin with sqlite:///"),
    ("DAILIES_DATABASE_URL", "sqlite:///", "must name a file"),
    ("DAILIES_LOG_LEVEL", CANARY, "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ("DAILIES_LOG_FORMAT", CANARY, "must be 'console' or 'json'"),
    ("DAILIES_PROVIDERS", CANARY, f"write one variable per field, such as {NESTED}API_KEY"),
    ("DAILIES_PROVIDERS", f'{{"{CANARY}": {{"{CANARY}": 1}}}}', "write one variable per field"),
    (f"{NESTED}BASE_URL", f"https://a.example,http://{CANARY}.example", "must begin with https://"),
    (f"{NESTED}MAX_CONCURRENT", "0", "must be at least 1"),
    (f"{NESTED}REQUESTS_PER_SECOND", "nan", "must be"),
    (f"{NESTED}REQUESTS_PER_SECOND", "0", "must be more than 0"),
]


@pytest.mark.parametrize(("name", "value", "words"), MALFORMED)
def test_a_malformed_value_is_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    [line] = faults_of(monkeypatch, **{name: value})
    assert line.startswith(f"{name}: {words}")


@pytest.mark.parametrize("given", ["API_URL=https://a.example/api/v10", "GATEWAY_URL=wss://a.example/gateway"])
def test_one_of_the_two_addresses_of_discord_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    name, value = given.split("=")
    [line] = faults_of(monkeypatch, **{f"DAILIES_DISCORD_{name}": value})
    assert "DAILIES_DISCORD_API_URL" in line
    assert "DAILIES_DISCORD_GATEWAY_URL" in line


MISSPELT = [
    ("DAILIES_DISCORD_TOKN", "did you mean DAILIES_DISCORD_TOKEN?"),
    ("dailies_web_prot", "did you mean DAILIES_WEB_PORT?"),
    (f"{NESTED}API_KY", f"did you mean {NESTED}API_KEY?"),
    ("DAILIES_PROVIDERS__UNIFICALY__API_KEY", f"did you mean {NESTED}API_KEY?"),
    ("DAILIES_PROVIDERS__UNIFICALLY", f"did you mean {NESTED}"),
    (f"{NESTED}API_KEYS__EXTRA", f"did you mean {NESTED}API_KEY?"),
    ("DAILIES_XYZ", "docs/settings.md lists them all"),
]


@pytest.mark.parametrize(("name", "words"), MISSPELT)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_misspelt_name_is_told_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str, *, in_file: bool
) -> None:
    given = {} if in_file else {name: CANARY}
    if in_file:
        (tmp_path / ".env").write_text(f"{name}={CANARY}\n")
    [line] = faults_of(monkeypatch, **given)
    assert line.startswith(f"{name.upper()}: no such setting; {words}")


def test_several_faults_are_several_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(f"DAILIES_LOG_LEVEL={CANARY}\nDAILIES_LOG_LEVELS={CANARY}\n")
    lines = faults_of(
        monkeypatch,
        DAILIES_WEB_PORT=CANARY,
        DAILIES_PROVIDERS=CANARY,
        DAILIES_DISCORD_API_URL="https://a.example/api/v10",
        DAILIES_OPERATOR_DAY_CAP_USD="-1",
    )
    assert {line.partition(":")[0] for line in lines} == {
        "DAILIES_LOG_LEVEL",
        "DAILIES_LOG_LEVELS",
        "DAILIES_WEB_PORT",
        "DAILIES_PROVIDERS",
        "DAILIES_DISCORD_GATEWAY_URL",
        "DAILIES_OPERATOR_DAY_CAP_USD",
    }
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"DAILIES_WEB_PORT=\xff\xfe", ".env: is not text in UTF-8"),
        (f'A=1\nDAILIES_DISCORD_TOKEN="{CANARY}\n'.encode(), ".env: line 2 is not NAME=value"),
        (f"A=1\n\n{CANARY} {CANARY}\n".encode(), ".env: line 3 is not NAME=value"),
        (b"DAILIES_DISCORD_TOKEN\n", ".env: line 1 is not NAME=value"),
    ],
)
def test_a_broken_file_is_told_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert faults_of(monkeypatch) == [line]


def test_a_pipe_in_the_files_place_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / ".env")
    assert faults_of(monkeypatch) == [".env: is not a plain file"]


def test_a_folder_of_the_files_name_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load_settings().order == ["animatic"]


def test_the_demos_settings_come_from_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILIES_WEB_PORT", "1")
    monkeypatch.setenv("DAILIES_NONSENSE", CANARY)
    (tmp_path / ".env").write_text("DAILIES_PROVIDER_ORDER=unifically\n")
    settings = DefaultSettings()
    assert (settings.web_port, settings.order) == (8080, ["animatic"])


def test_the_command_ends_with_status_3_and_no_value_anywhere(tmp_path: Path) -> None:
    """All at once, in the environment and the file, for people and as JSON."""
    names = [name for name, *_ in MALFORMED] + [name for name, _ in MISSPELT]
    given = {name: f"{CANARY}-{n}" for n, name in enumerate(names)}
    (tmp_path / ".env").write_text(f"DAILIES_DISCORD_GATEWAY_URL={CANARY}\nDAILIES_LOGLEVEL={CANARY}\n{CANARY}\n")
    commands = [("jobs",), ("generate", "a fox"), ("generate", "a fox", "--json"), ("run",)]
    for arguments, ran in zip(commands, several(tmp_path, *commands, **given), strict=True):
        assert ran.status == 3
        assert CANARY not in ran.out + ran.err
        lines = ran.value["error"]["message"].splitlines() if "--json" in arguments else ran.sentences
        assert len(lines) >= 15
        assert all(line.startswith(("DAILIES_", ".env: line 3")) for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
