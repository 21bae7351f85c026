#!lua flags=allow-oom
-- REAP: find steps whose deadline has passed and say which are to be published (again).
-- ARGV: lease (s), how many workers may be lost by one step
-- Answers a JSON list of wakes. A step of a lost worker stays its own until somebody claims: a late renewal still
-- succeeds. After a gap of half a lease between two calls (Redis was away or frozen, or the reaper was) everybody looks
-- dead, so for one whole lease nothing is taken from anybody. A waiting step is only published again when its queue
-- holds fewer messages than steps wait for, so that one wake-up is outstanding however long the queue is; and when its
-- turn has come much nearer since, for the broker keeps a message where it was put. Where Redis's clock was set back, all
-- that waits for a time waits no longer for it: its times go back by as much.
local LOOKS = 100 -- a second at what waits, so that what was lost does not stand behind thousands that wait
local lease, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local last, hold = unpack(call('HMGET', 'farm:reaper:tick', 'tick', 'hold'))
local back = last and tonumber(last) - NOW or 0
if back > 1 then
  for _, due in ipairs(call('ZRANGE', 'farm:deadlines', 0, -1)) do
    local key = step_key(string.match(due, '^(%S+) (.+)$'))
    for _, field in ipairs({'ready', 'lease'}) do
      local time = call('HGET', key, field)
      if time then call('HSET', key, field, stamp(time - back)) end
    end
  end
  for _, key in ipairs({'farm:deadlines', 'farm:undispatched', 'farm:held', 'farm:tags'}) do
    for _, waiting in ipairs(call('ZRANGE', key, 0, -1)) do call('ZINCRBY', key, -back, waiting) end
  end
end
if not last or back > 1 or NOW - tonumber(last) > lease / 2 then
  hold = stamp(NOW + lease)
  call('HSET', 'farm:reaper:tick', 'hold', hold)
end
call('HSET', 'farm:reaper:tick', 'tick', stamp(NOW))
local holding = NOW < tonumber(hold)

-- The broker keeps a list a priority: the queue's name for 0, and with a separator and the digit for the others.
local function queued(queue)
  local count = 0
  for priority = 0, 9 do
    local list_ = priority == 0 and queue or queue .. '\006\022' .. priority
    if call('TYPE', list_).ok == 'list' then count = count + call('LLEN', list_) end
  end
  return count
end

-- A pipeline whose time is up ends, whether its workers are there or not; its steps keep their fences, so that those hear
-- it. What is being released is let be.
for _, number in ipairs(call('ZRANGEBYSCORE', 'farm:timeouts', '-inf', stamp(NOW), 'LIMIT', 0, 100)) do
  call('ZREM', 'farm:timeouts', number)
  local status, releasing, timeout = unpack(call('HMGET', pipeline_key(number), 'status', 'releasing', 'timeout'))
  if status and not final(status) and not releasing then
    local reason = 'timed out: the pipeline did not end within the ' .. tonumber(timeout) .. ' s that its `timeout` gives it'
    for _, step in ipairs(steps_of(number)) do
      local state = call('HGET', step_key(number, step), 'status')
      if not final(state) then end_step(number, step, state == 'running' and 'failed' or 'skipped', reason) end
    end
    end_pipeline(number, 'failed', reason)
  end
end

local wakes = {}
for _, due in ipairs(call('ZRANGEBYSCORE', 'farm:deadlines', '-inf', stamp(NOW), 'LIMIT', 0, 2 * LOOKS)) do
  local number, step = string.match(due, '^(%S+) (.+)$')
  local key = step_key(number, step)
  local status, queue, worker, takeovers, old = unpack(
    call('HMGET', key, 'status', 'queue', 'worker', 'takeovers', 'priority'))
  if not status or final(status) then
    call('ZREM', 'farm:deadlines', due)
  elseif status == 'running' and holding then
    call('ZADD', 'farm:deadlines', hold, due)
  elseif status == 'running' and tonumber(takeovers) + 1 >= limit then
    count('leases_expired')
    end_step(number, step, 'errored', 'lost ' .. limit .. ' workers')
    settle(number, lease / 2)
  else
    local wakes_before = call('HINCRBY', key, 'wakes', 1) - 1
    local again = math.min(lease * 2 ^ math.min(wakes_before, 10), 600)
    if status == 'pending' then again = math.max(again, call('ZCARD', 'farm:deadlines') / LOOKS) end
    call('ZADD', 'farm:deadlines', stamp(NOW + again), due)
    if status == 'running' then
      if wakes_before == 0 then count('leases_expired') end
      call('HSET', key, 'offered', stamp(NOW), 'note', worker .. ' does not answer any more; another worker may take over')
      wakes[#wakes + 1] = wake_row(number, step)
    else
      local missing = queued(queue) < call('ZCARD', 'farm:queue:' .. queue)
      local priority = priority_of(number, step)
      if not missing then call('HINCRBY', key, 'wakes', -1) end
      if missing or priority * 2 < tonumber(old or 0) then
        call('HSET', key, 'priority', priority)
        wakes[#wakes + 1] = wake_row(number, step)
      end
    end
  end
end
return list(wakes)
