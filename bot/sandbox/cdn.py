"""The file server: attachments under signed links; expired or forged ones are not found."""

from aiohttp import web

from bot.sandbox.world import World


class Cdn:
    """https://docs.discord.com/developers/reference#signed-attachment-cdn-urls."""

    def __init__(self, *, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/attachments/{channel_id}/{attachment_id}/{filename}", self.serve),
            web.get("/ephemeral-attachments/{application_id}/{attachment_id}/{filename}", self.serve),
        ]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = self._world.stored.links.get(request.path)
        if path is None or not self._world.links.valid(request.path, request.query):
            return web.Response(status=404, text="This content is no longer available.")
        return web.FileResponse(path)
