"""Real clients whose every connection is noted where it leaves the library, and leads to loopback or nowhere."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpcore
import httpx
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SocketOptions = Iterable[httpcore.SOCKET_OPTION]


class Spy(httpcore.AsyncNetworkBackend):
    """Notes who is connected to. A known (address, port) leads to a port on loopback, any other is refused."""

    def __init__(self) -> None:
        self._real = httpcore.AnyIOBackend()
        self.leads: dict[tuple[str, int], int] = {}
        self.connects: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's own signature)
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connects.append((host, port))
        if (host, port) not in self.leads:
            raise httpcore.ConnectError("refused")
        return await self._real.connect_tcp("127.0.0.1", self.leads[host, port], timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 (the library's own signature)
        socket_options: SocketOptions | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        self.connects.append((path, 0))
        raise httpcore.ConnectError("refused")

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


class SpiedTransport(httpx.AsyncHTTPTransport):
    """The library's own transport over connections that are noted."""

    def __init__(self, spy: Spy, context: ssl.SSLContext) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=spy)


@dataclass(kw_only=True)
class Town:
    """Public hosts with certificates of their own, all of them on loopback."""

    spy: Spy
    authority: Path
    context: ssl.SSLContext
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    """Host, path and headers of every request."""
    names: list[str | None] = field(default_factory=list)
    """What each TLS connection was opened for."""
    answers: dict[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = field(default_factory=dict)
    """By path."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.headers["Host"], request.path, dict(request.headers)))
        return await self.answers[request.path](request)

    def client(self, **options: object) -> httpx.AsyncClient:
        trusting = ssl.create_default_context(cafile=str(self.authority))
        transport = SpiedTransport(self.spy, trusting)
        return httpx.AsyncClient(transport=transport, trust_env=False, **options)  # type: ignore[arg-type] # passed on


@asynccontextmanager
async def town_of(folder: Path, hosts: Mapping[str, Iterable[tuple[str, int]]]) -> AsyncIterator[Town]:
    """`hosts` says under which addresses and ports each name is served."""
    authority = _certificate(folder, list(hosts))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    town = Town(spy=Spy(), authority=authority, context=context)
    context.sni_callback = lambda _socket, name, _context: town.names.append(name)
    runner = web.ServerRunner(web.Server(town.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = int(runner.addresses[0][1])
        town.spy.leads = {place: port for places in hosts.values() for place in places}
        yield town
    finally:
        await runner.cleanup()


def _certificate(folder: Path, hosts: list[str]) -> Path:
    """Good for these names, and never for an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a town on loopback")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(days=1),
            not_valid_after=now + dt.timedelta(days=1),
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "town.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
