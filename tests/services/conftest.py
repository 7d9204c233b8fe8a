from pathlib import Path

import pytest

from tests.services.stage import SAMPLES


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A clip where our own renderer would leave it."""
    folder = tmp_path / "made"
    folder.mkdir()
    clip = folder / "clip.mp4"
    clip.write_bytes((SAMPLES / "drift.mp4").read_bytes())
    return clip
