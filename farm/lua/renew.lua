#!lua flags=allow-oom
-- RENEW: prolong a lease. After expiry it succeeds if nobody else has claimed, and withdraws the reaper's offer.
-- ARGV: number, step, fence, lease (s)
-- Answers ok | over (the worker ended it itself) | lost | canceled.
local number, step, fence, lease = unpack(ARGV)
local state = owned(number, step, fence)
if state ~= 'ok' then return state end
call('HSET', step_key(number, step), 'lease', stamp(NOW + tonumber(lease)), 'wakes', 0)
call('HDEL', step_key(number, step), 'offered')
call('ZADD', 'farm:deadlines', stamp(NOW + tonumber(lease)), member(number, step))
return 'ok'
