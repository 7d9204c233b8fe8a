"""A provider calls: the answer to a paid request was lost, and its callback finds the task again."""

from pathlib import Path

import httpx

from bot.domain.hooks import HookLinks
from bot.domain.jobs import JobState
from tests.standins import unifically
from tests.stories.test_unifically import paid_story


async def test_a_callback_finds_the_task_whose_answer_was_lost(tmp_path: Path, free_port: int) -> None:
    public_url = f"http://127.0.0.1:{free_port}"
    async with paid_story(tmp_path, public_url=public_url, web_port=free_port) as (told, provider):
        provider.submit_troubles.append(unifically.Trouble(drops=True, creates=True))
        asked = told.generate()
        await told.card(asked, JobState.UNCERTAIN)
        [task_id] = provider.tasks
        links = HookLinks(public_url=public_url, secret=told.workshop.link_secret)
        address = links.address(provider="unifically", attempt_id=f"{asked.id}-1")
        body = {"task_id": task_id, "status": "completed", "data": {"video_url": "https://10.0.0.1/not-this.mp4"}}
        async with httpx.AsyncClient(trust_env=False) as http:
            forged = await http.post(address.replace("-1.", "-2."), json=body)
            answers = [await http.post(address, json=body) for _ in range(3)]
        assert (forged.status_code, [answer.status_code for answer in answers]) == (404, [204, 204, 204])
        await told.clip(asked)
        assert (len(provider.submits), provider.charged_micros) == (1, 400_000)
        assert await told.spent() == (400_000, 0)


async def test_without_a_public_address_nobody_can_call(tmp_path: Path, free_port: int) -> None:
    async with paid_story(tmp_path, web_port=free_port) as (told, _):
        links = HookLinks(public_url=f"http://127.0.0.1:{free_port}", secret=told.workshop.link_secret)
        address = links.address(provider="unifically", attempt_id="1433000000000000001-1")
        async with httpx.AsyncClient(trust_env=False) as http:
            oversized = await http.post(address, content=bytes(100_000))
        assert oversized.status_code == 404
