"""`dailies demo` takes no setting from anywhere, and fails before the play, not after it."""

import socket
from pathlib import Path

import av

from tests.commandline.rig import dailies

HOSTILE = {
    "DAILIES_DATA_DIR": "real data",
    "DAILIES_PROVIDER_ORDER": "unifically",
    "DAILIES_PROVIDERS__UNIFICALLY__API_KEY": "canary-key",
    "DAILIES_DISCORD_TOKEN": "canary-token",
    "DAILIES_WEB_PORT": "canary-port",
    "DAILIES_NONSENSE": "canary-value",
}


def test_the_session_is_played_whatever_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DAILIES_DATABASE_URL=sqlite:///real.db\nDAILIES_OPERATOR_DAY_CAP_USD=canary\n")
    for folder in ("data", "real data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "providers.toml").write_text("canary = ")
    ran = dailies(tmp_path, "demo", "--headless", "--out", "shown", **HOSTILE)
    assert ran.status == 0, ran.err
    assert {path.name for path in tmp_path.iterdir()} == {".env", "data", "real data", "shown"}
    clips = sorted((tmp_path / "shown").glob("*.mp4"))
    assert len(clips) == 4
    for clip in clips:
        with av.open(str(clip)) as played:
            assert played.streams.video
    assert (tmp_path / "shown" / "transcript.html").exists()
    assert list((tmp_path / "shown" / "assets").iterdir())
    assert "canary" not in ran.out + ran.err


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = dailies(tmp_path, "demo", "--headless", "--port", port, **HOSTILE)
    assert (ran.status, ran.sentences) == (2, [f"--port {port}: nothing can listen there: address already in use."])


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = dailies(tmp_path, "demo", "--headless", "--out", "file/shown")
    assert (ran.status, ran.sentences) == (2, ["--out file/shown: not a directory."])
