"""Rates and calls in flight that several replicas share, in Redis: counted by scripts that run there as one step.

A window is a hash of amounts by the second; what is asked of it is taken at once, so a replica may take some ahead.
Calls in flight are a hash of counts by replica, each with the time at which it stops to count.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import BadRequestError, ServiceUnavailableError
from headgate.store.totals import Scope

if TYPE_CHECKING:
    from redis.asyncio import Redis

SECONDS: Final = 60
OWNER_SECONDS: Final = 10
TIMEOUT: Final = 0.5
"""Seconds that a call waits for Redis at most."""

TAKE: Final = """
local now = tonumber(redis.call('TIME')[1])
local total = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if tonumber(field) <= now - 60 then redis.call('HDEL', KEYS[1], field)
  else total = total + tonumber(redis.call('HGET', KEYS[1], field)) end
end
local limit, want, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local granted = math.min(want, limit - total)
if granted < least then granted = 0 end
if total <= 0 and granted == 0 and limit > 0 then granted = least end
if granted ~= 0 then
  redis.call('HINCRBY', KEYS[1], now, granted)
  redis.call('EXPIRE', KEYS[1], 120)
end
return {granted, total + granted}
"""
"""Takes up to `want` of a window, and no less than `least`; an amount over the limit when the window is empty."""
GIVE: Final = """
local now = tonumber(redis.call('TIME')[1])
redis.call('HINCRBY', KEYS[1], now, -tonumber(ARGV[1]))
redis.call('EXPIRE', KEYS[1], 120)
return 1
"""
HOLD: Final = """
local now = tonumber(redis.call('TIME')[1])
local total, own = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, expires = string.match(all[i + 1], '(-?%d+):(%d+)')
  if tonumber(expires) <= now then redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] == ARGV[1] then own = tonumber(count)
  else total = total + tonumber(count) end
end
local limit, wanted, least = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local count = math.min(wanted, limit - total)
if count < least then count = math.max(own, math.min(least, limit - total)) end
if count < 0 then count = 0 end
redis.call('HSET', KEYS[1], ARGV[1], count .. ':' .. (now + tonumber(ARGV[5])))
redis.call('EXPIRE', KEYS[1], 120)
return count
"""
"""Sets how many calls a replica may have in flight: `wanted` if there is room, `least` it needs."""


BOARD: Final = "headgate:board"
TELL: Final = """
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], 120)
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, text = string.match(all[i + 1], '^(%d+) (.*)$')
  if now - tonumber(at) > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then found[#found + 1] = text end
end
return found
"""
"""Puts up what a replica has to say, and takes down what the others said; who is silent is forgotten."""


class RedisSettings(Struct, frozen=True, kw_only=True):
    """Where Redis is: `url`, or host and port; `nodes` of a cluster, or of sentinels with `service`."""

    url: str | None = None
    host: str | None = None
    port: int = 6379
    username: str | None = None
    password: str | None = None
    db: int = 0
    ssl: bool = False
    cluster: tuple[tuple[str, int], ...] = ()
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = "mymaster"


class Rates:
    """Raises ServiceUnavailableError where Redis can't be reached in time."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = _client(settings)
        self._take = self._redis.register_script(TAKE)
        self._give = self._redis.register_script(GIVE)
        self._hold = self._redis.register_script(HOLD)
        self._tell = self._redis.register_script(TELL)

    async def take(self, key: str, limit: int, want: int, least: int) -> tuple[int, int]:
        """What was granted, and what the window holds now."""
        granted, total = await self._run(self._take, key, limit, want, least)
        return int(granted), int(total)

    async def give(self, key: str, amount: int) -> None:
        await self._run(self._give, key, amount)

    async def hold(self, key: str, owner: str, limit: int, wanted: int, least: int) -> int:
        """How many calls the owner may have in flight."""
        return int(await self._run(self._hold, key, owner, limit, wanted, least, OWNER_SECONDS))

    async def tell(self, owner: str, text: bytes) -> list[bytes]:
        """What the other replicas said last."""
        found: list[bytes] = await self._run(self._tell, BOARD, owner, text, OWNER_SECONDS)
        return found

    async def ping(self) -> None:
        await self._run(self._give, "headgate:ping", 0)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, script: Any, key: str, *arguments: Any) -> Any:
        from redis.exceptions import RedisError

        try:
            return await script(keys=[key], args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            cause = str(error).split("\n")[0][:200] or type(error).__name__
            raise ServiceUnavailableError(f"Redis can't be used now: {cause}", retry_after=2) from None


def key_of(what: str, scope: Scope, model: str) -> str:
    """One hash per meter: a cluster may keep each where it likes."""
    return f"headgate:{what}:{scope[0]}:{scope[1]}" + (f":{model}" if model else "")


def settings_of(given: Mapping[str, Any], env: Mapping[str, str]) -> RedisSettings | None:
    """From `redis_*` of the configuration, else the environment; None where no Redis is named.

    Raises BadRequestError for nodes that can't be read.
    """
    cluster = _nodes(env.get("REDIS_CLUSTER_NODES", ""), "REDIS_CLUSTER_NODES")
    sentinels = _nodes(env.get("REDIS_SENTINEL_NODES", ""), "REDIS_SENTINEL_NODES")
    url = given.get("redis_url") or env.get("HEADGATE_REDIS_URL") or env.get("REDIS_URL")
    host = given.get("redis_host") or env.get("REDIS_HOST")
    if not (url or host or cluster or sentinels):
        return None
    return RedisSettings(
        url=url or None,
        host=host or None,
        port=int(given.get("redis_port") or env.get("REDIS_PORT") or 6379),
        username=env.get("REDIS_USERNAME") or None,
        password=given.get("redis_password") or env.get("REDIS_PASSWORD") or None,
        db=int(given.get("redis_db") or env.get("REDIS_DB") or 0),
        ssl=(env.get("REDIS_SSL") or "").lower() in ("1", "true", "yes"),
        cluster=cluster,
        sentinels=sentinels,
        service=env.get("REDIS_SERVICE_NAME") or "mymaster",
    )


def _nodes(text: str, name: str) -> tuple[tuple[str, int], ...]:
    """LiteLLM's forms: `[{"host": "h", "port": 1}]` for a cluster, `[["h", 1]]` for sentinels."""
    if not text.strip():
        return ()
    try:
        rows = msgspec.json.decode(text)
        pairs = [(row["host"], row["port"]) if isinstance(row, dict) else (row[0], row[1]) for row in rows]
        return tuple((str(host), int(port)) for host, port in pairs)
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, ValueError):
        raise BadRequestError(f'{name} can\'t be read: expected [["host", 26379], …]', param=name) from None


def _client(settings: RedisSettings) -> "Redis":
    try:
        import redis.asyncio as aio
        from redis.asyncio.cluster import ClusterNode, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.asyncio.sentinel import Sentinel
        from redis.backoff import NoBackoff
    except ImportError:
        raise BadRequestError(
            "Redis needs a driver: pip install 'headgate[redis]'", param="redis_host"
        ) from None
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 1),
        "username": settings.username,
        "password": settings.password,
    }
    if settings.cluster:
        nodes = [ClusterNode(host, port) for host, port in settings.cluster]
        cluster: Any = RedisCluster(startup_nodes=nodes, ssl=settings.ssl, **options)
        return cluster  # type: ignore[no-any-return]
    if settings.sentinels:
        sentinel: Any = Sentinel  # untyped
        found: Any = sentinel(settings.sentinels, socket_timeout=TIMEOUT).master_for(
            settings.service, **options
        )
        return found  # type: ignore[no-any-return]
    if settings.url:
        given = {name: value for name, value in options.items() if value is not None}
        return aio.Redis.from_url(settings.url, **given)
    host = settings.host or "localhost"
    return aio.Redis(host=host, port=settings.port, db=settings.db, ssl=settings.ssl, **options)
