#!lua flags=no-writes
-- HOLDS: whether what an attempt has made on an engine is still wanted.
-- ARGV: number, step, fence
-- Answers 1 while the step runs under this fence, and while what a build has prepared waits for the one who may use it:
-- the first attempt at a step behind it, on the same worker. Nobody else ever uses it. Answers 0 otherwise.
local number, step, fence = unpack(ARGV)
local status, newest, worker, result = unpack(call('HMGET', step_key(number, step), 'status', 'fence', 'worker', 'result'))
if newest ~= fence then return 0 end
if status == 'running' then return 1 end
if status ~= 'passed' or type(cjson.decode(result or '{}').prepared) ~= 'table' then return 0 end
for _, other in ipairs(steps_of(number)) do
  if has(needs_of(number, other), step) then
    local state, attempts, by = unpack(call('HMGET', step_key(number, other), 'status', 'attempts', 'worker'))
    if state == 'pending' and attempts == '0' then return 1 end
    if state == 'running' and attempts == '1' and by == worker then return 1 end
  end
end
return 0
