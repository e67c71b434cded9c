"""Lua that touches one `session:{id}` at a time: safe in a cluster, and nothing can happen between its steps.

All times are the server's own, in ms. `gen` is the generation that vouched for a hash: under another one its word does
not count, and the caller asks PostgreSQL; nor does that of a hash whose numbers are none of ours, as somebody wrote
into it. A key of another type is no session; any other error is raised.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import hiredis
from redis.commands.core import Script
from redis.exceptions import NoScriptError, ResponseError

from epicops import keys
from epicops.redis_client import Redis
from epicops.redis_shards import is_spread
from sessions_app.held import CLEAR, LONGEST_IDLE, Held, in_clear
from sessions_app.trust import trust

NOW: Final = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

# What a field says if it is a count or a time as we write them, else nil.
COUNT: Final = f"""local longest = {LONGEST_IDLE * 1000}
local function count(text) return text and #text < 16 and string.match(text, '^%d+$') and tonumber(text) or nil end
"""

# ARGV 1 gen  2 touch|look  3 last activity in ISO 8601  4 ms between checkpoints
# ->  {'ok', left, deadline left, since, is a checkpoint due, ver, data, idle, lock, clear fields...}
#     {'absent'}  {'foreign'} not a session of ours  {'unvouched'}
OPEN: Final = (
    NOW
    + COUNT
    + """
local h = redis.pcall('HMGET', KEYS[1], 'gen', 'deadline', 'idle', 'lock', 'seen', 'checkpoint', 'ver', 'data',
  'role', 'department', 'portal', 'locked', 'bg_until', 'bg_ref')
if h.err then return string.find(h.err, 'WRONGTYPE') and {'foreign'} or h end
if not h[7] then return {'absent'} end
if h[1] ~= ARGV[1] then return {'unvouched'} end
local deadline, idle, lock, seen, checkpoint = count(h[2]), count(h[3]), count(h[4]), count(h[5]), count(h[6])
if not (deadline and idle and lock and seen and checkpoint and count(h[7]) and h[8])
  or idle > longest or seen > now or checkpoint > now then return {'unvouched'} end
local left, due = math.min(seen + idle, deadline) - now, 0
if left <= 0 then redis.call('DEL', KEYS[1]) return {'absent'} end
local locked = h[12] or ''
if locked == '' and lock > 0 and now - seen >= lock then
  locked = 'idle'
  redis.call('HSET', KEYS[1], 'locked', locked)
end
if ARGV[2] == 'touch' and locked == '' then
  seen, left = now, math.min(idle, deadline - now)
  local f = {'HSET', KEYS[1], 'seen', string.format('%.0f', now), 'last_activity', ARGV[3]}
  if now - checkpoint >= tonumber(ARGV[4]) then
    due = 1
    f[7], f[8] = 'checkpoint', f[4]
  end
  redis.call(unpack(f))
  redis.call('PEXPIRE', KEYS[1], left)
end
return {'ok', left, deadline - now, now - seen, due, h[7], h[8], h[3], h[4],
  h[9] or '', h[10] or '', h[11] or '', locked, h[13] or '', h[14] or ''}
"""
)

# ARGV 1 create|update  2 base version  3 gen  4 idle  5 lock  6 absolute  7 extend|keep  8 last activity in ISO 8601
#      9... field value  ->  {'ok', ver}  {'exists'}  {'absent'}  {'unvouched'}  {'conflict', ver, data}
# A session without time left is written by deleting it.
SAVE: Final = (
    NOW
    + COUNT
    + """
local ver, deadline = 0, now + tonumber(ARGV[6])
if ARGV[1] == 'create' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
else
  local h = redis.pcall('HMGET', KEYS[1], 'ver', 'deadline', 'gen', 'data')
  if h.err then return string.find(h.err, 'WRONGTYPE') and {'absent'} or h end
  if not h[1] then return {'absent'} end
  if h[3] ~= ARGV[3] then return {'unvouched'} end
  ver, deadline = count(h[1]), count(h[2])
  if not (ver and deadline and h[4]) then return {'unvouched'} end
  if h[1] ~= ARGV[2] then return {'conflict', h[1], h[4]} end
end
local ttl = math.min(tonumber(ARGV[4]), deadline - now)
ver = string.format('%.0f', ver + 1)
if ttl <= 0 then redis.call('DEL', KEYS[1]) return {'ok', ver} end
local f = {'HSET', KEYS[1], 'ver', ver, 'gen', ARGV[3], 'deadline', string.format('%.0f', deadline),
  'idle', ARGV[4], 'lock', ARGV[5], unpack(ARGV, 9)}
if ARGV[7] == 'extend' then
  local stamp = string.format('%.0f', now)
  for _, part in ipairs({'seen', stamp, 'checkpoint', stamp, 'last_activity', ARGV[8]}) do f[#f + 1] = part end
end
redis.call(unpack(f))
if ARGV[7] == 'extend' or redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
return {'ok', ver}
"""
)

# What PostgreSQL vouches for, back into Redis; durations only, and never over newer data.
# ARGV 1 ver  2 gen  3 left  4 deadline left  5 idle  6 lock  7 since  8 data  9 user id  10 last activity
#      11... clear field value
RESTORE: Final = (
    NOW
    + COUNT
    + """
local h = redis.pcall('HMGET', KEYS[1], 'ver', 'seen')
if h.err then return string.find(h.err, 'WRONGTYPE') and 0 or h end
local ver, left = count(h[1]), math.max(tonumber(ARGV[3]), redis.call('PTTL', KEYS[1]))
local seen = math.min(math.max(now - tonumber(ARGV[7]), count(h[2]) or 0), now)
local f = {'HSET', KEYS[1], 'gen', ARGV[2], 'idle', ARGV[5], 'lock', ARGV[6], 'checkpoint', '0',
  'deadline', string.format('%.0f', now + tonumber(ARGV[4])), 'seen', string.format('%.0f', seen), unpack(ARGV, 11)}
if not ver or ver <= tonumber(ARGV[1]) then
  for _, part in ipairs({'ver', ARGV[1], 'data', ARGV[8], 'user_id', ARGV[9], 'last_activity', ARGV[10]}) do
    f[#f + 1] = part
  end
end
redis.call(unpack(f))
redis.call('PEXPIRE', KEYS[1], math.min(left, tonumber(ARGV[4]), tonumber(ARGV[5])))
return 1
"""
)

# Fields of a live session, changed from outside it.  ARGV field value...  ->  1 changed, 0 there is none
SET: Final = """
local h = redis.pcall('HEXISTS', KEYS[1], 'ver')
if type(h) == 'table' and not string.find(h.err, 'WRONGTYPE') then return h end
if h ~= 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""

TIME: Final = hiredis.pack_command(("TIME",))
# What a glance reads.
FIELDS: Final = ("gen", "ver", "data", "deadline", "idle", "lock", "seen", *CLEAR)
PLAIN: Final = len(FIELDS) - len(CLEAR)  # of them are in every session


def flat(fields: Mapping[str, str]) -> list[str]:
    """Return fields and values as HSET takes them."""
    return [part for pair in fields.items() for part in pair]


def run(text: str, session_id: str, arguments: Callable[[int], list[Any]]) -> Any:
    """Run a script on one session, with `arguments` made for the generation it is run under; raise one of OUTAGE."""
    script, key = _script(text), keys.session(session_id)
    return trust.ask(lambda redis, generation: evaluate(redis, script, key, *arguments(generation)))


@functools.cache
def _script(text: str) -> Script:
    return trust.client.register_script(text)


def glance(session_id: str) -> Held | None:
    """Return the session that OPEN would answer `look` with where there is nothing to do or to doubt, else None.

    Two plain commands in one round trip take Redis a quarter of the script's time, and most loads are polls.
    """
    if trust.is_spread:
        return None
    try:
        generation, (seconds, microseconds), values = trust.ask(lambda redis, gen: (gen, *_time_and(redis, session_id)))
    except ResponseError:  # the script will tell
        return None
    if None in values[:PLAIN] or values[0] != str(generation).encode():
        return None
    _, ver, data, *limits = values[:PLAIN]
    clear = in_clear(values[PLAIN:])
    now = int(seconds) * 1000 + int(microseconds) // 1000
    try:
        deadline, idle, lock, seen = map(int, limits)
        version, text = int(ver), data.decode()
    except ValueError:  # somebody wrote into it
        return None
    left, since = min(seen + idle, deadline) - now, now - seen
    is_doubtful = left <= 0 or since < 0 or idle > LONGEST_IDLE * 1000
    if is_doubtful or (0 < lock <= since and "locked" not in clear):
        return None
    return Held(version, text, left, deadline - now, idle, lock, since, clear=clear)


def _time_and(client: Redis, session_id: str) -> tuple[Any, Any]:
    """Return Redis' TIME and the fields of a session."""
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        asked = hiredis.pack_command(("HMGET", keys.session(session_id), *FIELDS))  # type: ignore[arg-type]  # its stub knows tuples of one
        connection.send_packed_command([TIME + asked])  # in one packet, which wakes the server once
        return connection.read_response(), connection.read_response()
    except ResponseError:
        connection.disconnect()  # the other answer may still come
        raise
    finally:
        pool.release(connection)


def evaluate(client: Redis, script: Script, key: str, *arguments: str | int) -> Any:
    """Run a script on one key as `script(...)` does, without redis-py's metrics and retries: a tenth of a lookup.

    Raises the same errors.
    """
    if is_spread(client):  # it knows which server has the key
        return script([key], arguments, client=client)
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_command("EVALSHA", script.sha, 1, key, *arguments)
        return connection.read_response()
    except NoScriptError:
        connection.send_command("EVAL", script.script, 1, key, *arguments)
        return connection.read_response()
    finally:
        pool.release(connection)
