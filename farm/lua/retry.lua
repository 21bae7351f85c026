#!lua
-- RETRY: open a finished pipeline once more, as its next round. A build that passed is kept as long as its image is.
-- ARGV: number, who, failed (1: keep every step that passed; 0: keep only a build that passed), lease (s)
-- Answers {ok, JSON list of wakes} | {unknown} | {running} | {homeless} (its repository is forgotten) | {nothing} (nothing that is wanted could be done again).
local number, who, failed, lease = unpack(ARGV)
local key = pipeline_key(number)
local status = call('HGET', key, 'status')
if not status then return {'unknown'} end
if not final(status) then return {'running'} end
if call('EXISTS', 'farm:repository:' .. call('HGET', key, 'repository')) == 0 then return {'homeless'} end
local again, passed = {}, true
local steps = steps_of(number)
local image, built = unpack(call('HMGET', key, 'image_repository', 'image'))
local there = built and call('ZSCORE', images_key(image), string.match(built, '@(%S+)$') or built)
for _, step in ipairs(steps) do
  local stage, state, left = unpack(call('HMGET', step_key(number, step), 'stage', 'status', 'left_out'))
  if left == '1' then state = 'passed' end
  local kept = left == '1' or state == 'passed' and (stage == 'build' or failed == '1') and (stage ~= 'build' or there)
  for _, need in ipairs(needs_of(number, step)) do if has(again, need) then kept = false end end
  passed = passed and state == 'passed'
  if not kept then again[#again + 1] = step end
end
if #steps > 0 and (#again == 0 or (failed == '1' and passed)) then return {'nothing'} end

call('HINCRBY', key, 'round', 1)
call('HDEL', key, 'finished', 'reason', 'started', 'releasing')
call('HSET', key, 'status', 'pending', 'retried_by', who)
local remark = call('HGET', key, 'remark')
if remark then call('HSET', key, 'reason', remark) end
call('ZREM', 'farm:finished', number)
tell(number, #steps == 0 and 'created' or 'queued', '', 'pending')
if #steps == 0 then
  call('ZADD', 'farm:undispatched', stamp(NOW), number)
  return {'ok', '[]'}
end
call('ZADD', 'farm:unfinished:' .. call('HGET', key, 'repository'), number, number)
for _, step in ipairs(again) do
  local reset = step_key(number, step)
  if call('HGET', reset, 'stage') == 'build' then call('HDEL', key, 'image') end
  if step == 'release' then call('HDEL', key, 'released') end -- what this round releases it says itself
  call('HDEL', reset, 'fence', 'committed', 'given_back', 'request', 'lease', 'ready', 'started', 'finished', 'reason',
    'result', 'note', 'worker', 'allowed', 'coverage_before')
  call('HSET', reset, 'status', 'pending', 'takeovers', 0, 'errors', 0)
  call('ZREM', 'farm:logs', member(number, step))
end
settle(number, tonumber(lease) / 2)
local wakes = {}
for _, step in ipairs(again) do
  if call('HGET', step_key(number, step), 'ready') then wakes[#wakes + 1] = wake_row(number, step) end
end
return {'ok', list(wakes)}
