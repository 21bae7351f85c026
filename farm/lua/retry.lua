#!lua
-- RETRY: open a finished pipeline once more, as its next round.
-- ARGV: number, who, failed (1: keep every step that passed; 0: keep only a build that passed), lease (s)
-- Answers {ok, JSON list of wakes} | {unknown} | {running} | {nothing} (all passed and only the failed were wanted).
local number, who, failed, lease = unpack(ARGV)
local key = pipeline_key(number)
local status = call('HGET', key, 'status')
if not status then return {'unknown'} end
if not final(status) then return {'running'} end
local again = {}
local steps = steps_of(number)
for _, step in ipairs(steps) do
  local stage, state = unpack(call('HMGET', step_key(number, step), 'stage', 'status'))
  local kept = state == 'passed' and (stage == 'build' or failed == '1')
  for _, need in ipairs(needs_of(number, step)) do if has(again, need) then kept = false end end
  if not kept then again[#again + 1] = step end
end
if #again == 0 and #steps > 0 then return {'nothing'} end

call('HINCRBY', key, 'round', 1)
call('HDEL', key, 'finished', 'reason', 'started')
call('HSET', key, 'status', 'pending', 'retried_by', who)
local remark = call('HGET', key, 'remark')
if remark then call('HSET', key, 'reason', remark) end
call('ZREM', 'farm:finished', number)
tell(number, 'opened', '', 'pending')
if #steps == 0 then
  call('ZADD', 'farm:undispatched', stamp(NOW), number)
  return {'ok', '[]'}
end
for _, step in ipairs(again) do
  local reset = step_key(number, step)
  if call('HGET', reset, 'stage') == 'build' then call('HDEL', key, 'image') end
  call('HDEL', reset, 'fence', 'committed', 'given_back', 'request', 'lease', 'ready', 'started', 'finished', 'reason',
    'result', 'note', 'worker')
  call('HSET', reset, 'status', 'pending', 'takeovers', 0, 'errors', 0)
  call('ZREM', 'farm:logs', member(number, step))
end
settle(number, tonumber(lease) / 2)
local wakes = {}
for _, step in ipairs(again) do
  if call('HGET', step_key(number, step), 'ready') then wakes[#wakes + 1] = wake_row(number, step) end
end
return {'ok', list(wakes)}
