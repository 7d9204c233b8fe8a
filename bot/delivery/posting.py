"""Telling Discord: the card, the clip, the notice; each with its own nonce, so that no repeat shows twice."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import discord
import structlog

from bot.delivery.cards import buttons, card, clip_buttons, clip_content
from bot.delivery.upload_limits import DIRECT, UploadLimits
from bot.delivery.whispers import Whispers
from bot.delivery.words import unformatted
from bot.domain.errors import ClipTooLargeError, UndeliverableError
from bot.domain.jobs import ChannelTarget, Job, JobState, TargetKind, Work
from bot.domain.references import MEGABYTE
from bot.ports.outside import Posted, TryLaterError
from bot.ports.views import Views

ALT_TEXT_CHARS = 1024
TOO_LARGE = 40005
THREAD_EXISTS = 160004
UNKNOWN_MESSAGE = 10008
NO_PLACE = frozenset({10003, 10004, 40058, 50001, 50007, 50013, 50024, 50083, 50278, 160005, 160006})
"""Codes that close one place for good (docs.discord.com, opcodes and status codes); the next place is tried."""
BLOCKED = 40333
"""A block in front of Discord, which says nothing of the place."""
FILTERED = frozenset({200000, 200001, 240000})
"""The server's own word filter: the prompt in the alt text is left out then."""
FRESH_MS = 5_000
"""A post tried again later than this looks for the first one, beyond what a nonce remembers."""
HISTORY_MAX = 1000
UNAUTHORIZED = 401
DIRECT_STEP = "dm"
NOTICE_STEPS = {"clip": "note", "chan": "notc", DIRECT_STEP: "notd"}
NO_BOOSTS = 0
STRIP_NAME = "references.jpg"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """One rung of the ladder: where to post, and the nonce's step."""

    channel: discord.abc.Messageable
    channel_id: int
    step: str


class DiscordDelivery:
    """Posts as the bot, never by an interaction's token, which dies before most clips are done."""

    serves = frozenset({TargetKind.CHANNEL})

    def __init__(
        self,
        *,
        client: discord.Client,
        views: Views,
        whispers: Whispers,
        strip_path: Callable[[int], Path | None],
        now_ms: Callable[[], int],
    ) -> None:
        """`strip_path` finds the picture of a job's references."""
        self._client = client
        self._views = views
        self._whispers = whispers
        self._now_ms = now_ms
        self._strip_path = strip_path
        self._tiers: dict[int, int] = {}
        self._limits = UploadLimits()
        self._direct: set[int] = set()

    async def show(self, *, job: Job) -> int | None:
        """Edit the card and open the thread. A card that was deleted is not drawn again."""
        target = _channel_target(job)
        ahead = await self._views.ahead_of(job) if job.state is JobState.QUEUED else None
        family = await self._family_of(job)
        strip = self._strip_path(job.id)
        with _told(job), translated():
            try:
                await self._card_message(job, target).edit(
                    content=None,
                    embed=card(job, ahead=ahead, family=family, strip=STRIP_NAME if strip else None),
                    attachments=[discord.File(strip, filename=STRIP_NAME)] if strip else [],
                    view=buttons(job),
                    allowed_mentions=discord.AllowedMentions.none(),
                )
            except (discord.NotFound, discord.Forbidden):
                return job.thread_id
            # A thread under a card that may yet be refused would outlive it.
            unsure = job.plan is None or job.state is JobState.CONFIRMING
            return job.thread_id if unsure else await self._thread_id(job, target)

    async def _family_of(self, job: Job) -> list[Job]:
        if job.work is Work.PREVIEW:
            return []
        return await self._views.family_of(job.id if job.work is Work.CLIP else job.parent_id or 0)

    async def room(self, *, job: Job) -> int | None:
        return self._limits.room(await self._limited_by(job))

    async def post(self, *, job: Job, clip: Path) -> Posted:
        """Thread, then channel, then DM; the next only after a definite refusal of the one before."""
        refusal = "no place was left"
        for find_place in self._ladder(job):
            place = None
            try:
                with translated():
                    place = await find_place()
                    posted = await self._post_at(job, clip, place)
            except discord.HTTPException as fault:
                if place is not None and (fault.status == 413 or fault.code == TOO_LARGE):  # noqa: PLR2004 -- HTTP's own number
                    raise await self._too_large(job, clip, place) from fault
                refusal = fault.text or str(fault)
                if fault.code not in NO_PLACE:
                    break
            else:
                self._direct.discard(job.id)
                return posted
        raise UndeliverableError(reason=refusal, job=str(job.id))

    async def _post_at(self, job: Job, clip: Path, place: Place) -> Posted:
        try:
            message = await self._post_once(job, clip, place)
        except discord.HTTPException as fault:
            if fault.code != UNKNOWN_MESSAGE:
                raise
            # Our nonce named a message that is gone: it was posted, and somebody took it down.
            return Posted(channel_id=place.channel_id)
        return Posted(channel_id=place.channel_id, message_id=message.id)

    async def notify(self, *, job: Job) -> None:
        """A refusal is whispered while the token lives; every other end mentions the requester in the thread."""
        if job.state is JobState.REFUSED:
            await self._refuse(job)
            return
        with _told(job), translated():
            for find_place in self._ladder(job):
                try:
                    place = await find_place()
                    await self._send_notice(job, place)
                except discord.HTTPException as fault:
                    if fault.code not in NO_PLACE:
                        raise
                else:
                    return
        log.warning("nobody could be told", **job.log_fields())

    async def _send_notice(self, job: Job, place: Place) -> None:
        text = f"<@{job.member_id}> {unformatted(job.error_text or '')}"
        await place.channel.send(text, nonce=f"{job.id}-{NOTICE_STEPS[place.step]}", allowed_mentions=_only(job))

    async def _refuse(self, job: Job) -> None:
        """The public placeholder goes and the reason is for the requester alone."""
        text = unformatted(job.error_text or "")
        interaction = self._whispers.of(job.id)
        with _told(job), translated():
            if interaction is not None and await _whispered(interaction, text):
                self._whispers.forget(job.id)
                return
            try:
                card_message = self._card_message(job, _channel_target(job))
                await card_message.edit(content=text, allowed_mentions=discord.AllowedMentions.none())
            except (discord.NotFound, discord.Forbidden):
                log.warning("nobody could be told", **job.log_fields())

    async def _post_once(self, job: Job, clip: Path, place: Place) -> discord.Message:
        if job.tries or self._now_ms() - job.since_ms > FRESH_MS:
            earlier = await self._find_clip(job, place)
            if earlier is not None:
                return earlier
        try:
            return await self._send_clip(job, clip, place, alt_text=job.request.prompt[:ALT_TEXT_CHARS])
        except discord.HTTPException as fault:
            if fault.code not in FILTERED:
                raise
            return await self._send_clip(job, clip, place, alt_text=None)

    async def _send_clip(self, job: Job, clip: Path, place: Place, *, alt_text: str | None) -> discord.Message:
        target = _channel_target(job)
        same_channel = place.channel_id == target.channel_id and not target.opens_thread
        reply: dict[str, Any] = {}  # Any: the library's overloads have no place for "no reference"
        if same_channel:
            reply["reference"] = self._card_message(job, target).to_reference(fail_if_not_exists=False)
        chain = await self._views.path_to(job.parent_id or 0) if job.work is Work.FILM else []
        with clip.open("rb") as stream:
            return await place.channel.send(
                clip_content(job, chain=chain),
                file=discord.File(stream, filename=_file_name(job), description=alt_text),
                view=clip_buttons(job, in_server=place.step != DIRECT_STEP),
                nonce=f"{job.id}-{place.step}",
                allowed_mentions=_only(job),
                **reply,
            )

    async def _find_clip(self, job: Job, place: Place) -> discord.Message | None:
        """The bot's own message with this job's file, if an earlier try arrived after all.

        Newest first, back to the card: ids carry Discord's own clock, which ours need not agree with.
        """
        card_id = discord.Object(id=_channel_target(job).status_message_id)
        try:
            async for message in place.channel.history(limit=HISTORY_MAX, after=card_id, oldest_first=False):
                if any(one.filename == _file_name(job) for one in message.attachments):
                    return message
        except discord.Forbidden:
            return None
        return None

    def _ladder(self, job: Job) -> list[Callable[[], Awaitable[Place]]]:
        target = _channel_target(job)

        async def thread() -> Place:
            thread_id = await self._thread_id(job, target) or target.channel_id
            return Place(self._messageable(job, thread_id), thread_id, "clip")

        async def channel() -> Place:
            return Place(self._messageable(job, target.channel_id), target.channel_id, "chan")

        async def direct() -> Place:
            dm = await self._client.create_dm(discord.Object(id=int(job.member_id)))
            return Place(dm, dm.id, DIRECT_STEP)

        return [thread, channel, direct] if target.opens_thread else [thread, direct]

    async def _thread_id(self, job: Job, target: ChannelTarget) -> int | None:
        """The thread under the card; its id is the card's own, so opening it twice is one thread."""
        if not target.opens_thread or job.thread_id is not None:
            return job.thread_id
        try:
            # The library's own method wants the server's object; without intents it has none of servers that invited
            # the bot since its last start.
            await self._client.http.start_thread_with_message(
                target.channel_id, target.status_message_id, name=job.title, auto_archive_duration=1440
            )
        except discord.HTTPException as fault:
            if fault.code == THREAD_EXISTS:
                return target.status_message_id
            if _passes(fault):
                raise
            # Too many threads, a name that the server's filter refuses: the channel itself takes the clip.
            return None
        return target.status_message_id

    async def _too_large(self, job: Job, clip: Path, place: Place) -> ClipTooLargeError:
        """Learned where it was said: for direct messages, or for servers of this one's tier as it is now."""
        size_bytes = (await asyncio.to_thread(clip.stat)).st_size
        if place.step == DIRECT_STEP:
            self._direct.add(job.id)
        else:
            self._tiers.pop(job.guild_id or 0, None)
        tier = await self._limited_by(job)
        if size_bytes <= self._limits.room(tier):
            self._limits.refuse(tier, size_bytes)
        limit = self._limits.room(tier)
        return ClipTooLargeError(megabytes=size_bytes / MEGABYTE, limit_megabytes=limit / MEGABYTE, job=str(job.id))

    async def _limited_by(self, job: Job) -> int:
        if job.id in self._direct:
            return DIRECT
        with translated():
            return await self._tier(job.guild_id)

    async def _tier(self, guild_id: int | None) -> int:
        """The boost tier, fetched once per server; a server that does not answer is taken for one without."""
        if guild_id is None:
            return NO_BOOSTS
        if guild_id not in self._tiers:
            try:
                guild = await self._client.fetch_guild(guild_id, with_counts=False)
            except (discord.NotFound, discord.Forbidden):
                return NO_BOOSTS
            self._tiers[guild_id] = guild.premium_tier
        return self._tiers[guild_id]

    def _messageable(self, job: Job, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id, guild_id=job.guild_id)

    def _card_message(self, job: Job, target: ChannelTarget) -> discord.PartialMessage:
        return self._messageable(job, target.channel_id).get_partial_message(target.status_message_id)


def _channel_target(job: Job) -> ChannelTarget:
    if not isinstance(job.target, ChannelTarget):
        raise TypeError(f"job {job.id} goes to a file, not to Discord")
    return job.target


def _only(job: Job) -> discord.AllowedMentions:
    requester = discord.Object(id=int(job.member_id))
    return discord.AllowedMentions(everyone=False, roles=False, users=[requester], replied_user=False)


def _file_name(job: Job) -> str:
    return f"{job.id}.mp4"


async def _whispered(interaction: discord.Interaction, text: str) -> bool:
    """Whether the requester read it; a fault that passes is raised, so that it is tried again."""
    try:
        with suppress(discord.NotFound):  # an earlier try took the placeholder away already
            await interaction.delete_original_response()
        await interaction.followup.send(text, ephemeral=True)
    except discord.HTTPException as fault:
        if _passes(fault) and fault.status != UNAUTHORIZED:
            raise
        return False  # the token has died
    return True


def _passes(fault: discord.HTTPException) -> bool:
    """Whether Discord may answer otherwise later: overload, limits, our own token, or a block in front of it.

    A refusal of Discord's own has a code; 403 and 404 without one come from what stands before it.
    """
    unsigned = fault.status in {403, 404} and fault.code == 0
    return fault.status in {UNAUTHORIZED, 429} or fault.status >= 500 or fault.code == BLOCKED or unsigned  # noqa: PLR2004 -- HTTP's own numbers


@contextmanager
def _told(job: Job) -> Iterator[None]:
    """What Discord refuses for good of a card or a notice is not tried again."""
    try:
        yield
    except discord.HTTPException as fault:
        raise UndeliverableError(reason=fault.text or str(fault), job=str(job.id)) from fault


@contextmanager
def translated() -> Iterator[None]:
    """Faults that pass become TryLaterError; Discord's definite answers stay as they are."""
    try:
        yield
    except discord.RateLimited as fault:
        raise TryLaterError("rate limited", retry_after_seconds=fault.retry_after) from fault
    except discord.HTTPException as fault:
        if _passes(fault):
            raise TryLaterError(f"Discord answered {fault.status}") from fault
        raise
    except (TimeoutError, aiohttp.ClientError, ConnectionError) as fault:
        raise TryLaterError(f"Discord could not be reached: {fault}") from fault
