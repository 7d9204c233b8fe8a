"""`dailies generate` keeps a provider's own last frame as the bot does."""

from pathlib import Path
from typing import Any

from tests.commandline.rig import SAMPLES
from tests.commandline.test_unifically import run
from tests.media import making
from tests.standins import v3_async

CLIP = SAMPLES / "drift.mp4"
SHAPE = (1280, 720)


async def test_the_last_frame_that_is_named_is_the_providers_own_file(tmp_path: Path) -> None:
    async with v3_async.running(clip=CLIP) as provider:
        provider.still = making.picture(tmp_path / "still.png", SHAPE).read_bytes()
        settings = {
            "DAILIES_PROVIDERS__V3_ASYNC__API_KEY": provider.key,
            "DAILIES_PROVIDERS__V3_ASYNC__BASE_URL": provider.url,
            "DAILIES_PROVIDERS__V3_ASYNC__TYPICAL_SECONDS": "1",
        }
        asked = ("generate", "a fox", "--provider", "v3_async", "--json", "--out", "clip.mp4")
        ran = await run(tmp_path, *asked, **settings)
    job: dict[str, Any] = ran.value
    assert (ran.status, job["state"]) == (0, "DELIVERED"), ran.err
    assert Path(job["last_frame"]).read_bytes() == provider.still
