#!lua flags=allow-oom
-- COMMIT: end a step; its successors become ready or are skipped, and the pipeline ends with its last step.
-- ARGV: number, step, fence, status, reason, result (JSON; with `allowed` a failure holds up nothing), lease (s)
-- Answers {ok, JSON list of the steps that are ready behind it} | {lost} | {canceled}. Repeated by the same fence (the
-- reply was lost) it changes nothing and answers the same.
local number, step, fence, status, reason, result, lease = unpack(ARGV)

-- The coverage that a branch's job last passed with, "<pipeline> <percent>", the newer of two last: a retry must not be
-- compared with itself. It is forgotten after a quarter of a year.
local function covered(number, step, percent, status)
  local key = 'farm:coverage:' .. table.concat(call('HMGET', pipeline_key(number), 'repository', 'ref'), ':')
  local before, kept = nil, nil
  for other, value in string.gmatch(call('HGET', key, step) or '', '(%d+) ([%d.]+)') do
    if tonumber(other) < tonumber(number) then before, kept = value, other .. ' ' .. value end
    if tonumber(other) > tonumber(number) then status = 'older' end
  end
  if before then call('HSET', step_key(number, step), 'coverage_before', before) end
  if status ~= 'passed' then return end
  call('HSET', key, step, (kept and kept .. ' ' or '') .. number .. ' ' .. percent)
  call('EXPIRE', key, 90 * 86400)
end

local state = owned(number, step, fence)
if state == 'lost' or state == 'canceled' then return {state} end
if state == 'ok' then
  local decoded = cjson.decode(result)
  call('HSET', step_key(number, step), 'committed', fence, 'result', result)
  local stage, worker = unpack(call('HMGET', step_key(number, step), 'stage', 'worker'))
  worked(worker, stage)
  if status == 'failed' and decoded.allowed == true then call('HSET', step_key(number, step), 'allowed', 1) end
  if type(decoded.coverage) == 'table' then covered(number, step, decoded.coverage.percent, status) end
  if status == 'passed' and type(decoded.image) == 'string' then
    local image = call('HGET', pipeline_key(number), 'image_repository')
    call('HSET', pipeline_key(number), 'image', decoded.image)
    call('SADD', 'farm:images', image)
    call('ZADD', images_key(image), number, string.match(decoded.image, '@(%S+)$') or decoded.image)
  end
  end_step(number, step, status, reason)
  settle(number, tonumber(lease) / 2)
end
return {'ok', list(ready_after(number, step))}
