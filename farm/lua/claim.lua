#!lua
-- CLAIM: ask for a step on behalf of a worker.
-- ARGV: number, step, worker, lease (s), schema that the worker knows, a word unique to this request
-- Answers JSON: verdict go | busy | done | early | dead | elsewhere (the worker is to take nothing, or not this step while
-- another can), and with go the fence and all that a stage needs to know.
-- The same request again (its reply was lost) is answered with the same fence. An expired lease is only taken over
-- after the reaper has offered the step: it alone knows whether Redis itself was away.
local number, step, worker, lease, schema, request = unpack(ARGV)
local key, parent = step_key(number, step), pipeline_key(number)
local status, ready, until_, offered, asked, queue, allowed = unpack(
  call('HMGET', key, 'status', 'ready', 'lease', 'offered', 'request', 'queue', 'allowed'))
local function answer(verdict) return object({'verdict', text(verdict)}) end

if not status then return answer('dead') end
if call('HGET', parent, 'schema') ~= schema then return answer('early') end
if good(status, allowed) then
  return object({'verdict', text('done'), 'next', tostring(#ready_after(number, step) > 0)})
end
if final(status) then return answer('dead') end
if status == 'pending' and (not ready or tonumber(ready) > NOW + 0.001) then return answer('early') end

if status == 'pending' or asked ~= request then
  if status == 'running' then
    if not offered or tonumber(until_) > NOW then return answer('busy') end
  end
  local avoid, avoid_until = unpack(call('HMGET', key, 'avoid', 'avoid_until'))
  if shut(worker) or (avoid == worker and tonumber(avoid_until) > NOW and another_serves(queue, worker)) then
    return answer('elsewhere')
  end
  if status == 'running' then
    call('HINCRBY', key, 'takeovers', 1)
    call('HSET', key, 'note', 'taken over from ' .. call('HGET', key, 'worker') .. ', which was lost')
  end
  if call('HINCRBY', key, 'attempts', 1) > 1 then count('reruns') end
  call('HDEL', key, 'offered', 'reason')
  call('HSET', key, 'status', 'running', 'worker', worker, 'fence', next_fence(), 'request', request,
    'lease', stamp(NOW + tonumber(lease)), 'started', stamp(NOW), 'wakes', 0)
  leave_queues(number, step)
  call('ZADD', 'farm:running:' .. queue, stamp(NOW), member(number, step))
  call('ZADD', 'farm:deadlines', stamp(NOW + tonumber(lease)), member(number, step))
  call('ZREM', 'farm:logs', member(number, step))
  if call('HSETNX', parent, 'started', stamp(NOW)) == 1 then
    local timeout = call('HGET', parent, 'timeout')
    if timeout then call('ZADD', 'farm:timeouts', stamp(NOW + tonumber(timeout)), number) end
  end
  call('HSET', parent, 'status', 'running')
  tell(number, 'step', step, 'running')
end

local results = {}
for _, other in ipairs(steps_of(number)) do
  local result = call('HGET', step_key(number, other), 'result')
  if result then
    results[#results + 1] = other
    results[#results + 1] = result
  end
end
local p = {}
local fields = {'repository', 'ref', 'new', 'old', 'commit', 'definition', 'image_repository', 'image', 'round', 'who',
  'subject', 'author', 'created', 'protected'}
for i, value in ipairs(call('HMGET', parent, unpack(fields))) do p[fields[i]] = value end
return object({
  'verdict', text('go'),
  'stage', text(call('HGET', key, 'stage')),
  'fence', call('HGET', key, 'fence'),
  'attempt', call('HGET', key, 'attempts'),
  'round', p.round,
  'repository', text(p.repository),
  'url', text(call('HGET', 'farm:repository:' .. p.repository, 'url') or ''),
  'default_branch', text(call('HGET', 'farm:repository:' .. p.repository, 'default_branch') or ''),
  'ref', text(p.ref),
  'commit', text(p.commit or p.new),
  'old', text(p.old),
  'definition', text(p.definition),
  'image_repository', text(p.image_repository),
  'image', text(p.image),
  'results', object(results),
  'who', text(p.who),
  'subject', text(p.subject or ''),
  'author', text(p.author or ''),
  'created', p.created,
  'protected', tostring(p.protected == '1'),
})
