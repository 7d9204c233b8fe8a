"""The one place where concrete classes meet: builds every object once, in order, and closes what must be closed."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import structlog
from aiohttp import web

from bot.client import DailiesBot, Services, point_library
from bot.delivery.approval_cards import ApprovalCards
from bot.delivery.directory import DiscordDirectory
from bot.delivery.posting import DiscordDelivery
from bot.delivery.targets import ByTarget
from bot.delivery.terminal import FileDelivery
from bot.delivery.whispers import Whispers
from bot.domain.chains import PREVIEWER
from bot.domain.errors import SettingsError
from bot.domain.hooks import HookLinks
from bot.domain.jobs import JobState
from bot.domain.links import SignedLinks
from bot.domain.quota import MICROS
from bot.domain.references import ReferenceRules, StoredReference, check_declared
from bot.domain.requests import SEED_MAX, Plan, Request
from bot.domain.rules import Caps
from bot.media.library import Library
from bot.media.looker import Looker
from bot.media.shelf import Shelf
from bot.media.studio import Studio
from bot.ports.books import Books
from bot.ports.outside import Admins, Delivery, Media, WireRequest
from bot.providers.http import make_client, open_clients
from bot.services.accounts import Accounts
from bot.services.admission import Admission
from bot.services.alerts import AdminTeller
from bot.services.approvals import Approvals
from bot.services.bell import Bell
from bot.services.clip_desk import ClipDesk
from bot.services.collect import Collector, unasked
from bot.services.desk import JobDesk
from bot.services.doorbell import Doorbell
from bot.services.films import Films
from bot.services.finish import Finisher
from bot.services.fit import Fitter
from bot.services.guild_desk import GuildDesk
from bot.services.hooks import Hooks
from bot.services.intake import Intake
from bot.services.keep import Keeper
from bot.services.offers import Offers
from bot.services.quota_desk import QuotaDesk
from bot.services.routing import Router
from bot.services.runner import Lane, Runner
from bot.services.sources import Sources
from bot.services.tell import Teller
from bot.settings import Settings
from bot.storage.backup import backup
from bot.storage.books import open_books
from bot.storage.sqlite import check_sound, open_for_reading
from bot.storage.verify import Verdict, verify
from bot.storage.views import SqliteViews, open_views
from bot.web.app import make_app, serving
from bot.web.hooks import HookDoor
from bot.wiring.accounts import animatic, open_accounts, paid_account, rows
from bot.wiring.lanes import lanes_at_providers

LINK_SECRET_BYTES = 32
PLACEHOLDER = "https://placeholder.invalid/files"
"""What a dry run shows where a provider would get a link."""
PLACEHOLDER_DOOR = "https://placeholder.invalid/hooks"
"""Likewise where it would get an address to call back."""

log = structlog.get_logger(__name__)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def mint_job_id(time_ms: int) -> int:
    """A snowflake for the command line: Discord's own shape (docs.discord.com, reference), the low bits random."""
    return ((time_ms - 1_420_070_400_000) << 22) | secrets.randbits(22)


def router_for(settings: Settings) -> Router:
    return Router(rows=rows(settings), order=settings.order, draw_seed=lambda: secrets.randbelow(SEED_MAX))


def caps_of(settings: Settings) -> Caps:
    return Caps(
        guild_month_micros=int(settings.default_guild_budget_usd * MICROS),
        operator_day_micros=int(settings.operator_day_cap_usd * MICROS),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the bot and the command line have in common; `runner_for` makes the loop for a delivery."""

    settings: Settings
    books: Books
    views: SqliteViews
    shelf: Shelf
    media: Library
    studio: Studio
    router: Router
    accounts: Accounts
    sources: Sources
    bell: Bell
    intake: Intake
    desk: JobDesk
    quota: QuotaDesk
    admission: Admission
    approvals: Approvals
    films: Films
    clips: ClipDesk
    keeper: Keeper
    link_secret: bytes

    def runner_for(self, delivery: Delivery, *, admins: Admins | None = None) -> Runner:
        lanes = self._lanes(delivery)
        teller = Teller(books=self.books, delivery=delivery, now_ms=now_ms, admins=self._admin_teller(admins))
        return Runner(books=self.books, lanes=lanes, teller=teller, delivery=delivery, bell=self.bell, now_ms=now_ms)

    def _lanes(self, delivery: Delivery) -> list[Lane]:
        collector = Collector(
            books=self.books,
            media=self.media,
            router=self.router,
            sources=self.sources,
            studio=self.studio,
            admission=self.admission,
            now_ms=now_ms,
        )
        finisher = Finisher(
            books=self.books,
            accounts=self.accounts,
            router=self.router,
            media=self.media,
            delivery=delivery,
            now_ms=now_ms,
        )
        fitter = Fitter(books=self.books, media=self.media, studio=self.studio, delivery=delivery, now_ms=now_ms)
        waits = {JobState.CONFIRMING: self.approvals.expire, JobState.APPROVING: self.approvals.expire}
        return [
            Lane(name="wait", steps=waits, limit=4, seconds_max=60),
            Lane(name="collect", steps={JobState.COLLECTING: collector.step}, limit=4, seconds_max=600),
            *lanes_at_providers(
                books=self.books,
                router=self.router,
                accounts=self.accounts,
                sources=self.sources,
                hooks=Hooks(door=None if self._hook_links is None else self._hook_links.address),
                mint=lambda: mint_job_id(now_ms()),
                now_ms=now_ms,
            ),
            Lane(name="transfer", steps={JobState.FETCHING: finisher.fetch}, limit=4, seconds_max=900),
            Lane(name="encode", steps={JobState.FITTING: fitter.step}, limit=2, seconds_max=3700),
            Lane(name="post", steps={JobState.POSTING: finisher.post}, limit=4, seconds_max=600),
        ]

    def _admin_teller(self, admins: Admins | None) -> AdminTeller | None:
        if admins is None:
            return None
        caps = caps_of(self.settings)
        return AdminTeller(books=self.books, views=self.views, admins=admins, caps=caps, now_ms=now_ms)

    @asynccontextmanager
    async def serving_web(self, healthy: Callable[[], bool]) -> AsyncIterator[None]:
        app: web.Application = make_app(
            files=self.media, secret=self.link_secret, now_ms=now_ms, healthy=healthy, hooks=self._hook_door()
        )
        async with serving(app, host=self.settings.web_host, port=self.settings.web_port):
            yield

    @property
    def _hook_links(self) -> HookLinks | None:
        return hook_links(self.settings, self.link_secret)

    def _hook_door(self) -> HookDoor | None:
        if self._hook_links is None:
            return None
        doorbell = Doorbell(books=self.books, accounts=self.accounts, bell=self.bell, now_ms=now_ms)
        return HookDoor(links=self._hook_links, hear=doorbell.hear)


@asynccontextmanager
async def open_workshop(settings: Settings, *, extra: Sequence[str] = ()) -> AsyncIterator[Workshop]:
    """Owns the data directory until it is closed. `extra` names providers beside the enabled ones.

    Raises AlreadyRunningError, DatabaseError, SettingsError.
    """
    folder, router = settings.data_dir.resolve(), router_for(settings)
    async with AsyncExitStack() as stack:
        books = await stack.enter_async_context(open_books(folder, database=settings.database_path.resolve()))
        views = await stack.enter_async_context(open_views(folder, database=settings.database_path.resolve()))
        clients = await stack.enter_async_context(open_clients())
        bell = Bell()
        shelf = Shelf(folder)
        await asyncio.to_thread(shelf.tidy)
        studio = Studio(shelf=shelf)
        library = await open_library(settings, shelf, studio, stack)
        secret = _link_secret(folder / "link.key")
        # The local renderer is always there: previews need it.
        providers = await open_accounts(settings, [*settings.order, *extra, PREVIEWER], clients, library, bell, stack)
        links = _links(settings, secret)
        sources = Sources(signed=_signer(links, library), now_ms=now_ms)
        intake = Intake(books=books, bell=bell, now_ms=now_ms, rules=ReferenceRules())
        accounts = Accounts(providers=providers, now_ms=now_ms)
        admission = Admission(router=router, caps=caps_of(settings), now_ms=now_ms, resting=accounts.resting)
        yield Workshop(
            settings=settings,
            books=books,
            views=views,
            shelf=shelf,
            media=library,
            studio=studio,
            router=router,
            accounts=accounts,
            sources=sources,
            bell=bell,
            intake=intake,
            desk=JobDesk(books=books, views=views, router=router, bell=bell, now_ms=now_ms),
            quota=QuotaDesk(
                books=books,
                views=views,
                router=router,
                admission=admission,
                caps=caps_of(settings),
                now_ms=now_ms,
            ),
            admission=admission,
            approvals=Approvals(books=books, router=router, admission=admission, bell=bell, now_ms=now_ms),
            films=Films(books=books, views=views, media=library, intake=intake, bell=bell, now_ms=now_ms),
            clips=ClipDesk(
                books=books,
                media=library,
                studio=studio,
                signed=None if links is None else lambda job_id: links.link_to_clip(job_id=job_id),
            ),
            keeper=Keeper(books=books, attic=shelf, now_ms=now_ms),
            link_secret=secret,
        )


async def open_library(settings: Settings, shelf: Shelf, studio: Studio, stack: AsyncExitStack) -> Library:
    client = await stack.enter_async_context(make_client())
    return Library(
        shelf=shelf,
        studio=studio,
        looker=Looker(shelf=shelf, client=client),
        made_folder=settings.data_dir.resolve() / "animatic",
        client=client,
        cdn_hosts=settings.cdn_hosts,
        rules=ReferenceRules(),
    )


async def dry_run(settings: Settings, request: Request) -> tuple[Plan, int, WireRequest]:
    """Plan, price and exact request; copies go to a folder that is removed, and nothing is sent. Needs no key."""
    with tempfile.TemporaryDirectory(prefix="dailies-dry-run-") as folder:
        async with AsyncExitStack() as stack:
            scratch = settings.model_copy(update={"data_dir": Path(folder)})
            shelf = Shelf(Path(folder))
            library = await open_library(scratch, shelf, Studio(shelf=shelf), stack)
            router = router_for(settings)
            check_declared(request.references, ReferenceRules())
            router.preview(request)
            stored = [await library.copy(reference=reference) for reference in request.references]
            plan = router.plan(request, stored)
            plan = unasked(plan, router.row(plan.provider).rules)
            links = {one.sha256: f"{PLACEHOLDER}/{quote(one.name)}" for one in plan.references}
            clients = await stack.enter_async_context(open_clients())
            provider = (
                animatic(scratch, library, Bell())
                if plan.provider == "animatic"
                else paid_account(scratch, router.row(plan.provider), "no-key-needed", clients)
            )
            callback = None if settings.public_url is None else PLACEHOLDER_DOOR
            return plan, router.quote(plan), provider.describe(plan=plan, links=links, callback=callback)


async def run_bot(settings: Settings) -> None:
    """The whole bot, until it is cancelled or Discord's connection ends for good."""
    async with open_workshop(settings) as workshop:
        await serve_discord(workshop)


async def serve_discord(workshop: Workshop) -> None:
    """Client, runner and web over an open workshop. Raises SettingsError without a token."""
    settings = workshop.settings
    if settings.discord_token is None:
        raise SettingsError(faults="DAILIES_DISCORD_TOKEN: is not set; copy it from Discord's developer page")
    if settings.discord_api_url and settings.discord_gateway_url:
        point_library(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
    async with bot_of(workshop) as client:
        admins = ApprovalCards(client=client, now_ms=now_ms)
        runner = workshop.runner_for(_discord_delivery(workshop, client), admins=admins)
        async with workshop.serving_web(client.is_ready), asyncio.TaskGroup() as group:
            await client.login(settings.discord_token.get_secret_value())
            background = [group.create_task(one) for one in (runner.run(), workshop.keeper.run())]
            await client.connect()
            for task in background:
                task.cancel()


@asynccontextmanager
async def bot_of(workshop: Workshop) -> AsyncIterator[DailiesBot]:
    async with DailiesBot(synced_path=workshop.settings.data_dir / "commands.sha256") as client:
        whispers = Whispers(now_ms=now_ms)
        directory = DiscordDirectory(client=client)
        services = Services(
            intake=workshop.intake,
            desk=workshop.desk,
            quota=workshop.quota,
            choices=GuildDesk(books=workshop.books, directory=directory, now_ms=now_ms),
            approvals=workshop.approvals,
            films=workshop.films,
            clips=workshop.clips,
            offers=Offers(books=workshop.books, admission=workshop.admission, bell=workshop.bell, now_ms=now_ms),
            whispers=whispers,
        )
        client.provide(services)
        yield client


def _discord_delivery(workshop: Workshop, client: DailiesBot) -> Delivery:
    on_discord = DiscordDelivery(
        client=client,
        views=workshop.views,
        whispers=client.provided.whispers,
        strip_path=lambda job_id: workshop.media.strip_path(job_id=job_id),
        now_ms=now_ms,
    )
    return ByTarget([on_discord, FileDelivery(say=lambda job: log.info("stage", **job.log_fields()))])


@asynccontextmanager
async def look(settings: Settings) -> AsyncIterator[SqliteViews | None]:
    """The books, read-only and beside a running bot; None where there are none yet."""
    if not settings.database_path.exists():
        yield None
        return
    async with open_views(settings.data_dir.resolve(), database=settings.database_path.resolve()) as views:
        yield views


def check_database(settings: Settings) -> None:
    """Open it and read a little. Raises DatabaseError."""
    with closing(open_for_reading(settings.database_path.resolve())) as connection:
        check_sound(connection, settings.database_path)


def verify_books(settings: Settings) -> Verdict:
    return verify(settings.data_dir.resolve(), database=settings.database_path.resolve())


def back_up(settings: Settings, destination: Path) -> None:
    backup(settings.data_dir.resolve(), destination, database=settings.database_path.resolve())


def _links(settings: Settings, secret: bytes) -> SignedLinks | None:
    if settings.public_url is None:
        return None
    return SignedLinks(public_url=settings.public_url, secret=secret, now_ms=now_ms)


def hook_links(settings: Settings, secret: bytes) -> HookLinks | None:
    """None where no provider could reach us."""
    if settings.public_url is None:
        return None
    return HookLinks(public_url=settings.public_url, secret=secret)


def _signer(links: SignedLinks | None, media: Media) -> Callable[[StoredReference], str] | None:
    if links is None:
        return None

    def signed(one: StoredReference) -> str:
        extension = media.stored_path(sha256=one.sha256).suffix.removeprefix(".")
        return links.link_for(sha256=one.sha256, extension=extension)

    return signed


def _link_secret(path: Path) -> bytes:
    """Made once per data directory, readable by its owner only; links stay good over a restart."""
    if path.exists() and path.stat().st_size == LINK_SECRET_BYTES:
        return path.read_bytes()
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    made.touch(mode=0o600)
    made.write_bytes(secrets.token_bytes(LINK_SECRET_BYTES))
    made.replace(path)  # whole or not at all: half a key would open nothing, for ever
    return path.read_bytes()
