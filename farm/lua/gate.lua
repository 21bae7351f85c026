-- What the record holds against a worker, in farm:gate:<worker>: `drained` (since when) and `drained_by`; and of its steps
-- that ended in an error of the farm one after the other, `errors`, `last` (when), `since` (the first), `reason`, `stage X`
-- for each stage, and from the third on `aside` (until when it takes nothing) and `asides` (how often it was put aside).
local ERRORS, ASIDE, ASIDE_MOST = 3, 30, 900
local HEARD = 10 -- seconds in which a worker that is there is heard of
local KEPT = 7 * 86400

local function gate_key(worker) return 'farm:gate:' .. worker end

local function shut(worker)
  local drained, aside = unpack(call('HMGET', gate_key(worker), 'drained', 'aside'))
  return drained or (aside and tonumber(aside) > NOW)
end

local function another_serves(queue, worker)
  for _, other in ipairs(call('ZRANGEBYSCORE', 'farm:workers', stamp(NOW - HEARD), '+inf')) do
    if other ~= worker and not shut(other) then
      local closed, queues = unpack(call('HMGET', 'farm:worker:' .. other, 'closed', 'queues'))
      if queues and (closed or '') == '' and has(cjson.decode(queues), queue) then return true end
    end
  end
  return false
end

-- A step of a worker ended in an error of the farm. Steps that ran when one failed count as one with it; and while no
-- other worker gets anything done the reason is not this one's own (the registry is away), so that it goes on.
local function erred(worker, stage, started, reason)
  local key = gate_key(worker)
  local last, aside, drained = unpack(call('HMGET', key, 'last', 'aside', 'drained'))
  if (last and tonumber(started) <= tonumber(last)) or (aside and tonumber(aside) > NOW) then return end
  call('HSETNX', key, 'since', stamp(NOW))
  call('HSET', key, 'last', stamp(NOW), 'reason', reason, 'stage ' .. stage, 1)
  if not drained then call('EXPIRE', key, KEPT) end
  if call('HINCRBY', key, 'errors', 1) < ERRORS then return end
  local since = call('HGET', key, 'since')
  for _, other in ipairs(call('ZRANGEBYSCORE', 'farm:worked', since, '+inf')) do
    if other ~= worker then
      local asides = call('HINCRBY', key, 'asides', 1)
      local pause = math.min(ASIDE * 2 ^ (asides - 1), ASIDE_MOST)
      call('HSET', key, 'aside', stamp(NOW + pause), 'since', stamp(NOW))
      return
    end
  end
end

-- A step of a worker came to an end that was not an error of the farm: the worker can do this stage, and maybe no other.
local function worked(worker, stage)
  if call('HEXISTS', gate_key(worker), 'stage ' .. stage) == 1 then
    call('HDEL', gate_key(worker), 'errors', 'last', 'since', 'reason', 'aside', 'asides', 'stage build', 'stage test',
      'stage release')
  end
  call('ZADD', 'farm:worked', stamp(NOW), worker)
  call('ZREMRANGEBYSCORE', 'farm:worked', '-inf', stamp(NOW - 86400))
end
