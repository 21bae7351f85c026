#!lua flags=allow-oom
-- GIVE_BACK: hand a step back after a fault of the farm; it waits for a pause that grows, or ends errored at the limit.
-- ARGV: number, step, fence, reason, counted (0 for a worker that shuts down), limit
-- Answers {ok, pending | errored} | {lost} | {canceled}; repeated by the same fence it answers how the step stands.
local number, step, fence, reason, counted, limit = unpack(ARGV)
local AVOID = 5 -- seconds in which the step is left to other workers, if there are any that are open
local key = step_key(number, step)
if call('HGET', key, 'given_back') == fence then
  local status = call('HGET', key, 'status')
  return {'ok', status == 'errored' and status or 'pending'}
end
local state = owned(number, step, fence)
if state == 'over' then state = 'lost' end
if state ~= 'ok' then return {state} end
call('HSET', key, 'given_back', fence)
local worker, stage, started = unpack(call('HMGET', key, 'worker', 'stage', 'started'))
if counted == '1' then erred(worker, stage, started, reason) end
local errors = call('HINCRBY', key, 'errors', counted)
if counted == '1' and errors >= tonumber(limit) then
  end_step(number, step, 'errored', reason)
  settle(number, 0)
  return {'ok', 'errored'}
end
local at = NOW
if counted == '1' then
  at = NOW + 2 * 4 ^ (errors - 1)
  call('HSET', key, 'avoid', worker, 'avoid_until', stamp(at + AVOID))
end
call('HDEL', key, 'fence', 'lease', 'note', 'offered')
call('HSET', key, 'reason', reason)
leave_queues(number, step)
make_ready(number, step, at, at)
tell(number, 'step', step, 'pending')
return {'ok', 'pending'}
