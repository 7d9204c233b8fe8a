"""The bot itself, its commands, and the answers to interactions."""

from aiohttp import web

from bot.sandbox import interactions, payloads
from bot.sandbox.command_rules import check_commands
from bot.sandbox.records import Json
from bot.sandbox.refusal import Reason, RefusedError
from bot.sandbox.rest import API_PATH, RestDoor, answer, as_object, no_content, number
from bot.sandbox.world import World


class ApplicationRoutes:
    """What a bot asks about itself: https://docs.discord.com/developers/resources/application."""

    def __init__(self, *, world: World, door: RestDoor) -> None:
        self._world = world
        self._door = door
        self.gateway_url = ""

    def routes(self) -> list[web.RouteDef]:
        application = API_PATH + r"/applications/{application_id:\d+}"
        return [
            web.get(f"{API_PATH}/users/@me", self.me),
            web.get(f"{API_PATH}/oauth2/applications/@me", self.application),
            web.get(f"{API_PATH}/applications/@me", self.application),
            web.get(f"{API_PATH}/gateway", self.gateway),
            web.get(f"{API_PATH}/gateway/bot", self.gateway_bot),
            web.get(f"{application}/commands", self.list_commands),
            web.put(f"{application}/commands", self.register_commands),
            web.get(application + r"/guilds/{guild_id:\d+}/commands", self.list_commands),
            web.put(application + r"/guilds/{guild_id:\d+}/commands", self.register_commands),
        ]

    async def me(self, _: web.Request) -> web.Response:
        extra = {"verified": True, "mfa_enabled": False, "locale": "en-US", "email": None}
        return answer(payloads.user(self._world.bot) | extra)

    async def application(self, _: web.Request) -> web.Response:
        return answer(
            {
                "id": str(self._world.application_id),
                "name": self._world.bot.name,
                "icon": None,
                "description": "",
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "0" * 64,
                "flags": 0,
                "owner": payloads.user(self._world.bot) | {"bot": False},
                "team": None,
                "bot": payloads.user(self._world.bot),
                "integration_types_config": {"0": {}},
                "approximate_guild_count": len(self._world.stored.guilds),
                "interactions_endpoint_url": None,
            }
        )

    async def gateway(self, _: web.Request) -> web.Response:
        return answer({"url": self.gateway_url})

    async def gateway_bot(self, _: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return answer({"url": self.gateway_url, "shards": 1, "session_start_limit": limit})

    async def list_commands(self, request: web.Request) -> web.Response:
        return answer(self._world.stored.commands.get(self._command_scope(request), []))

    async def register_commands(self, request: web.Request) -> web.Response:
        """Replace the whole list; a command that keeps its name keeps its id."""
        async with self._door.body(request) as body:
            scope = self._command_scope(request)
            check_commands(body.payload)
            known = {(c["type"], c["name"]): c["id"] for c in self._world.stored.commands.get(scope, [])}
            registered = [self._command(command, scope, known) for command in body.payload]
            self._world.stored.commands[scope] = registered
        return answer(registered)

    def _command_scope(self, request: web.Request) -> int | None:
        if number(request, "application_id") != self._world.application_id:
            raise RefusedError(Reason.UNKNOWN_APPLICATION)
        guild_id = request.match_info.get("guild_id")
        return None if guild_id is None else self._world.guild(int(guild_id)).id

    def _command(self, declared: Json, scope: int | None, known: dict[tuple[int, str], str]) -> Json:
        kind = declared.get("type", 1)
        permissions = declared.get("default_member_permissions")
        command = {"description": "", "contexts": None, "integration_types": [0], "nsfw": False} | declared
        command |= {
            "id": known.get((kind, declared["name"])) or str(self._world.new_id()),
            "application_id": str(self._world.application_id),
            "type": kind,
            "version": str(self._world.new_id()),
            "default_member_permissions": None if permissions is None else str(permissions),
        }
        return command if scope is None else command | {"guild_id": str(scope)}


class InteractionRoutes:
    """Answers by an interaction's own token: https://docs.discord.com/developers/interactions/receiving-and-responding."""

    def __init__(self, *, world: World, door: RestDoor) -> None:
        self._world = world
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        webhook = API_PATH + r"/webhooks/{webhook_id:\d+}/{webhook_token}"
        original, message = f"{webhook}/messages/@original", webhook + r"/messages/{message_id:\d+}"
        return [
            web.post(API_PATH + r"/interactions/{interaction_id:\d+}/{interaction_token}/callback", self.callback),
            web.post(webhook, self.follow_up),
            *(web.get(path, self.get_message) for path in (original, message)),
            *(web.patch(path, self.edit_message) for path in (original, message)),
            *(web.delete(path, self.delete_message) for path in (original, message)),
        ]

    async def callback(self, request: web.Request) -> web.Response:
        async with self._door.body(request) as body:
            interaction = interactions.acknowledge(
                self._world,
                number(request, "interaction_id"),
                request.match_info["interaction_token"],
                as_object(body.payload),
                body.uploads,
            )
        if request.query.get("with_response", "").lower() not in ("1", "true"):
            return no_content()
        return answer(interactions.callback_payload(self._world, interaction))

    async def follow_up(self, request: web.Request) -> web.Response:
        async with self._door.body(request) as body:
            payload = as_object(body.payload)
            message = interactions.follow_up(self._world, self._token(request), payload, body.uploads)
        return answer(payloads.message(self._world, message))

    async def get_message(self, request: web.Request) -> web.Response:
        message = interactions.own_message(self._world, self._token(request), _message_id(request))
        return answer(payloads.message(self._world, message))

    async def edit_message(self, request: web.Request) -> web.Response:
        async with self._door.body(request) as body:
            token, payload = self._token(request), as_object(body.payload)
            message = interactions.edit(self._world, token, _message_id(request), payload, body.uploads)
        return answer(payloads.message(self._world, message))

    async def delete_message(self, request: web.Request) -> web.Response:
        interactions.delete(self._world, self._token(request), _message_id(request))
        return no_content()

    def _token(self, request: web.Request) -> str:
        if number(request, "webhook_id") != self._world.application_id:
            raise RefusedError(Reason.UNKNOWN_WEBHOOK)
        return request.match_info["webhook_token"]


def _message_id(request: web.Request) -> int | None:
    return int(request.match_info["message_id"]) if "message_id" in request.match_info else None
