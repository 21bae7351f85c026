#!lua flags=no-writes
-- WAITING: what the sentence about a waiting pipeline is made of.
-- ARGV: number
-- Answers {unknown | over | runs} | {undispatched, note} | {offered, step, note} | {pause, step, seconds, reason}
-- | {queued, step, queue, how many are ahead}.
local number = ARGV[1]
local MOST = 1000 -- waiting steps that are looked at
local status = call('HGET', pipeline_key(number), 'status')
if not status then return {'unknown'} end
if final(status) then return {'over'} end
local steps = steps_of(number)
if #steps == 0 then return {'undispatched', call('HGET', pipeline_key(number), 'note') or ''} end
local waits
for _, step in ipairs(steps) do
  local state, ready, offered, note = unpack(call('HMGET', step_key(number, step), 'status', 'ready', 'offered', 'note'))
  if state == 'running' and offered then return {'offered', step, note or ''} end
  if state == 'running' then return {'runs'} end
  if state == 'pending' and ready then waits = waits or step end
end
if not waits then return {'runs'} end
local ready, queue, reason = unpack(call('HMGET', step_key(number, waits), 'ready', 'queue', 'reason'))
if tonumber(ready) > NOW then return {'pause', waits, stamp(tonumber(ready) - NOW), reason or ''} end
local ahead, own, before = 0, tonumber(call('HGET', step_key(number, waits), 'priority') or 0), true
for i, other in ipairs(call('ZRANGE', 'farm:queue:' .. queue, 0, MOST - 1)) do
  local priority = tonumber(call('HGET', step_key(string.match(other, '^(%S+) (.+)$')), 'priority') or 0)
  if other == member(number, waits) then before = false
  elseif priority < own or (priority == own and before) then ahead = ahead + 1 end
end
return {'queued', waits, queue, ahead}
