"""What is done on the queue's server at once: one script each."""

from typing import Final

# Lists the next messages, oldest first: at least one, and no more bytes than the limit if that can be. One by one, as
# nothing tells how long those of a range are before all of them are copied.
NEXT: Final = """
local function oldest(list, skip, count, limit)
  local found, bytes = {}, 0
  while #found < count do
    local message = redis.call('LINDEX', list, -1 - skip - #found)
    if not message then break end
    bytes = bytes + #message
    if #found > 0 and bytes > limit then break end
    found[#found + 1] = message
  end
  return found
end
"""

# KEYS 1 queue or lane  ARGV 1 how many to pass over 2 count 3 byte limit 4 bytes that are too many for any message
# 5 bytes that are enough of such  ->  {oldest message, ...}
LOOK: Final = (
    NEXT
    + """
local found = oldest(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
if #found == 1 and #found[1] > tonumber(ARGV[4]) then found[1] = string.sub(found[1], 1, tonumber(ARGV[5])) end
return found
"""
)

# Counts pushes on the way (reconciliation.py): `left` is the length of the queue after the last look.
# A message that is too large is claimed alone: cut into slices, of which the claim has the first.
# KEYS 1 queue 2 inflight 3 ctl 4 takeovers 5 slices  ARGV 1 count 2 new batch id 3 owner's token 4 byte limit 5 run id
# 6 the token's field in ctl: that of lane 0 claims from the queue itself 7 bytes that are too many for any message
# 8 bytes of a slice
# -> {} | {'PAUSED'} | {'FENCED'} | {'CHANGED'}
#    | {how often it came back, pauses that hold, number of slices, batch id, newest message, ..., oldest message}
CLAIM: Final = (
    NEXT
    + """
if redis.call('HGET', KEYS[3], ARGV[6]) ~= ARGV[3] then return {'FENCED'} end
if string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') ~= ARGV[5] then return {'CHANGED'} end
local held = redis.call('HGET', KEYS[3], 'held') or ''
local unfinished = redis.call('LINDEX', KEYS[2], 0)
if unfinished then
  local takeovers = redis.call('HINCRBY', KEYS[4], unfinished, 1)
  return {takeovers, held, redis.call('LLEN', KEYS[5]), unpack(redis.call('LRANGE', KEYS[2], 0, -1))}
end
local waiting = redis.call('LLEN', KEYS[1])
local is_queue = ARGV[6] == 'token'
if is_queue then
  for _, counted in ipairs(redis.call('HMGET', KEYS[3], 'left', 'pushed', 'vanished')) do
    if counted and not string.match(counted, '^%d+$') then  -- somebody wrote into it: the account begins anew
      redis.call('HDEL', KEYS[3], 'since', 'left', 'pushed', 'vanished')
    end
  end
end
local came = is_queue and waiting - tonumber(redis.call('HGET', KEYS[3], 'left') or 0)
if is_queue and came ~= 0 then
  redis.call('HSETNX', KEYS[3], 'since', ARGV[2])
  redis.call('HINCRBY', KEYS[3], came > 0 and 'pushed' or 'vanished', math.abs(came))
  redis.call('HSET', KEYS[3], 'left', waiting)
end
local paused = tonumber(redis.call('HGET', KEYS[3], 'paused'))
if paused == 0 or paused and paused > tonumber(redis.call('TIME')[1]) then return {'PAUSED'} end
local messages = oldest(KEYS[1], 0, tonumber(ARGV[1]), tonumber(ARGV[4]))
if #messages == 0 then return {} end
redis.call('LTRIM', KEYS[1], 0, -#messages - 1)
if is_queue then redis.call('HSET', KEYS[3], 'left', waiting - #messages) end
redis.call('DEL', KEYS[5])
local first, slice = messages[1], tonumber(ARGV[8])
if #first > tonumber(ARGV[7]) then
  for start = 1, #first, slice do redis.call('RPUSH', KEYS[5], string.sub(first, start, start + slice - 1)) end
  messages = {string.sub(first, 1, slice)}
end
redis.call('LPUSH', KEYS[2], unpack(messages))
redis.call('LPUSH', KEYS[2], ARGV[2])
return {0, held, redis.call('LLEN', KEYS[5]), unpack(redis.call('LRANGE', KEYS[2], 0, -1))}
"""
)

# KEYS 1 inflight 2 takeovers 3 canary 4 slices  ARGV 1 batch id  ->  1 acknowledged, 0 some other claim is in flight
ACKNOWLEDGE: Final = """
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3], KEYS[4])
return 1
"""

# KEYS 1 queue 2 inflight 3 ctl  ->  {waiting, in flight or dealt out to lanes}
DEPTH: Final = """
local claimed = math.max(redis.call('LLEN', KEYS[2]) - 1, 0)
for lane = 1, tonumber(redis.call('HGET', KEYS[3], 'lanes')) or 1 do
  local name = string.gsub(KEYS[2], 'inflight$', 'lane:' .. lane)
  claimed = claimed + redis.call('LLEN', name) + math.max(redis.call('LLEN', name .. ':inflight') - 1, 0)
end
return {redis.call('LLEN', KEYS[1]), claimed}
"""
