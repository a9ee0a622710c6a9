"""The one place that opens a store from its URL: a server, a UNIX socket, or the primary that Sentinel names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
from redis import exceptions, sentinel
from redis.asyncio.connection import parse_url as parse_async_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.credentials import CredentialProvider
from redis.retry import Retry

from ric_sim.domain.errors import CertificateUnusable, InvalidInput
from ric_sim.store.connection import connection_options, retry_plan

SENTINEL_PORT = 26379
SENTINEL_TIMEOUT_S = 1.0
"""A Sentinel that has not answered by then is passed over for the next one."""

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_CLUSTER = re.compile(r"rediss?[+-]cluster")
_EXPECTED = (
    "expected redis://host:port/db (rediss:// for TLS), unix:///path or "
    "redis+sentinel://host:port[,host:port...]/service[/db] (rediss+sentinel:// for TLS); user:password@ may stand before host"
)


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """Where a store is and how one is let in. Opening a client connects to nothing yet; its first command does.

    Attributes:
        url: redis://[user:password@]host:port/db, rediss://..., unix:///path, redis+sentinel://host:port,.../service[/db] or
            rediss+sentinel://...; a query is redis-py's options of a connection. `?sentinel_auth=no`: Sentinels ask for no
            password though the servers do.
        password_file: holds the password, read again at every connection, so that a new one needs no restart.
        tls_dir: folder of `ca.crt`, `tls.crt` and `tls.key` for rediss; None: the machine's CAs, no certificate of one's own.

    Raises:
        InvalidInput: an unusable URL, a password given twice, no password in the file.
        CertificateUnusable: rediss, and a file of `tls_dir` is missing.
    """

    url: str = field(repr=False)
    password_file: Path | None = None
    tls_dir: Path | None = None

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if self.password_file is not None:
            if parts.password:
                raise InvalidInput(
                    f"store {self.address}: a password in the URL and one in {self.password_file}: give one of them"
                )
            read_password(self.password_file)
        if parts.scheme.startswith("rediss") and self.tls_dir is not None:
            for file in _tls_files(self.tls_dir).values():
                _check_readable(Path(file))

    @classmethod
    def of(cls, store: str | StoreAccess) -> StoreAccess:
        """`store` itself, or the access that a bare URL gives."""
        return store if isinstance(store, cls) else cls(str(store))

    @property
    def address(self) -> str:
        """The URL without user, password and query, for messages."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_replicated(self) -> bool:
        """A replica may be promoted in the place of the server."""
        return "+sentinel" in urlsplit(self.url).scheme

    def client(self, *, patience_s: float, single_connection: bool = False) -> redis.Redis:
        """A blocking client that repeats a call whose connection breaks for about `patience_s` seconds."""
        options = self._options(parse_url) | {"retry": Retry(*retry_plan(patience_s))}
        pool: redis.ConnectionPool
        if self.is_replicated:
            settings = self._sentinel_options(options) | {"retry": Retry(NoBackoff(), 0)}
            manager = sentinel.Sentinel(self._sentinels, sentinel_kwargs=settings)
            pool = _SentinelPool(self._service, manager, **_without_address(options))
        else:
            pool = redis.ConnectionPool(**options)
        client = redis.Redis(connection_pool=pool, single_connection_client=single_connection)
        client.auto_close_connection_pool = True
        return client

    def async_client(self, *, patience_s: float, answer_within_s: float | None = None) -> redis.asyncio.Redis:
        """As `client`, for an event loop; concurrent calls each take a connection of its pool.

        With `answer_within_s`, a server that takes a command and does not answer it in that time is not asked again.
        """
        options = self._options(parse_async_url) | {"retry": AsyncRetry(*retry_plan(patience_s))}
        if answer_within_s is not None:
            retry = AsyncRetry(*retry_plan(patience_s), supported_errors=(redis.ConnectionError,))
            options |= {"retry": retry, "socket_timeout": answer_within_s}
        pool: redis.asyncio.ConnectionPool
        if self.is_replicated:
            settings = self._sentinel_options(options) | {"retry": AsyncRetry(NoBackoff(), 0)}
            manager = redis.asyncio.sentinel.Sentinel(self._sentinels, sentinel_kwargs=settings)
            pool = _AsyncSentinelPool(self._service, manager, **_without_address(options))
        else:
            pool = redis.asyncio.ConnectionPool(**options)
        return redis.asyncio.Redis.from_pool(pool)

    @property
    def _sentinels(self) -> list[tuple[str, int]]:
        return _hosts(urlsplit(self.url))

    @property
    def _service(self) -> str:
        return _service_and_db(urlsplit(self.url))[0]

    def _options(self, parse: Any) -> dict[str, Any]:
        """Options of a connection to a server; those in the URL's query hold against ours."""
        options = connection_options()
        if urlsplit(self.url).scheme.startswith("rediss") and self.tls_dir is not None:
            options |= _tls_files(self.tls_dir)
        options |= parse(_plain_url(self.url))
        options.pop("sentinel_auth", None)
        if self.password_file is not None:
            options["credential_provider"] = PasswordFile(self.password_file, options.pop("username", None))
        return options

    def _sentinel_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those of a connection to a Sentinel: the same identity and certificates, less patience."""
        shared = {name: value for name, value in options.items() if name.startswith("ssl_") or name == "protocol"}
        if "sentinel_auth=no" not in urlsplit(self.url).query.split("&"):
            identity = ("username", "password", "credential_provider")
            shared |= {name: options[name] for name in identity if name in options}
        timeouts = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
        return shared | timeouts | {"ssl": urlsplit(self.url).scheme.startswith("rediss")}


class PasswordFile(CredentialProvider):
    """The password as it stands in the file when a connection is made."""

    def __init__(self, path: Path, user: str | None = None) -> None:
        self._path = path
        self._user = user

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = read_password(self._path)
        except InvalidInput as error:  # it was there at the start; the library and its retries know their own errors only
            raise exceptions.AuthenticationError(str(error)) from error
        return (self._user, password) if self._user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def read_password(path: Path) -> str:
    """The file's text without white space around it; `InvalidInput` if it cannot be read or is empty."""
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"password file {path}: {error}: expected a file that holds the store's password") from error
    if not password:
        raise InvalidInput(f"password file {path} is empty: expected the store's password")
    return password


class _SentinelPool(sentinel.SentinelConnectionPool):
    """Closes its connections to the Sentinels with its own."""

    def close(self) -> None:
        super().close()
        self.sentinel_manager.close()


class _AsyncSentinelPool(redis.asyncio.sentinel.SentinelConnectionPool):
    """Closes its connections to the Sentinels with its own."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def _split(url: str) -> SplitResult:
    """The parts of a usable URL."""
    try:
        parts = urlsplit(url)
        if _CLUSTER.fullmatch(parts.scheme):
            raise InvalidInput(
                f"store URL {parts.scheme}://...: a cluster is not supported: one script changes all keys of a city in one "
                "step, so they share one hash slot and a cluster would serve them with one of its shards; for failover use "
                "redis+sentinel://host:port/service"
            )
        usable = parts.scheme in _SCHEMES and _is_complete(parts)
        if usable:
            parse_url(_plain_url(url))
    except ValueError:
        usable = False
    if not usable:
        shown = re.sub(r"//.*@", "//", url)
        raise InvalidInput(f"store URL {shown!r:.120}: {_EXPECTED}")
    return parts


def _is_complete(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return bool(parts.path)
    if parts.scheme.endswith("+sentinel"):
        service, db = _service_and_db(parts)
        return bool(service) and _is_db(db) and all(host and port > 0 for host, port in _hosts(parts))
    return bool(parts.hostname) and (parts.port is None or parts.port > 0) and _is_db(parts.path.removeprefix("/"))


def _is_db(text: str) -> bool:
    return not text or text.isdecimal()


def _hosts(parts: SplitResult) -> list[tuple[str, int]]:
    """Of Sentinels; `ValueError` for a port that is none."""
    each = [urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(",")]
    return [(host.hostname or "", SENTINEL_PORT if host.port is None else host.port) for host in each]


def _service_and_db(parts: SplitResult) -> tuple[str, str]:
    service, _, db = parts.path.removeprefix("/").partition("/")
    return unquote(service), db


def _plain_url(url: str) -> str:
    """The URL as the library parses it; for Sentinel that of a server yet to be named."""
    parts = urlsplit(url)
    if not parts.scheme.endswith("+sentinel"):
        return url
    user, at, _ = parts.netloc.rpartition("@")
    named = SplitResult(parts.scheme.partition("+")[0], f"{user}{at}primary", f"/{_service_and_db(parts)[1]}", parts.query, "")
    return named.geturl()


def _without_address(options: dict[str, Any]) -> dict[str, Any]:
    """Sentinel names host and port, and its pool picks the connections' class."""
    has_tls = issubclass(options.get("connection_class", object), redis.SSLConnection | redis.asyncio.SSLConnection)
    return {name: value for name, value in options.items() if name not in ("host", "port", "connection_class")} | {"ssl": has_tls}


def _tls_files(folder: Path) -> dict[str, str]:
    names = {"ssl_ca_certs": "ca.crt", "ssl_certfile": "tls.crt", "ssl_keyfile": "tls.key"}
    return {option: str(folder / name) for option, name in names.items()}


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise CertificateUnusable(
            f"{path}: {error.strerror}: a store at rediss:// needs ca.crt, tls.crt and tls.key in there"
        ) from error
