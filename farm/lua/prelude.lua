-- What all scripts share; it is put in front of each. Keys are made from the arguments: a farm has one Redis, no cluster.
-- Times are Unix seconds by Redis's own clock, so that no worker's clock counts.

local call = redis.call
local clock = call('TIME')
local NOW = tonumber(clock[1]) + tonumber(clock[2]) / 1e6

local function stamp(time) return string.format('%.6f', time) end
local function precise(number) return string.format('%.17g', number) end
local function pipeline_key(number) return 'farm:pipeline:' .. number end
local function step_key(number, step) return 'farm:pipeline:' .. number .. ':step:' .. step end
local function log_key(number, step) return 'farm:log:' .. number .. ':' .. step end
local function ref_key(repository, ref) return 'farm:ref:' .. repository .. ':' .. ref end
local function tag_key(image_repository, tag) return 'farm:tag:' .. image_repository .. ':' .. tag end
local function member(number, step) return number .. ' ' .. step end
local function final(status) return status ~= 'pending' and status ~= 'running' end
-- A job whose failure its definition allows has failed and lets its stage pass all the same.
local function good(status, allowed) return status == 'passed' or (status == 'failed' and allowed == '1') end

local function split(text)
  local words = {}
  for word in string.gmatch(text or '', '%S+') do words[#words + 1] = word end
  return words
end

local function has(words, wanted)
  for _, word in ipairs(words) do if word == wanted then return true end end
  return false
end

-- cjson cannot tell an empty list from an empty object, so lists and objects are put together from encoded parts.
local function list(parts) return '[' .. table.concat(parts, ',') .. ']' end
local function object(pairs_)
  local parts = {}
  for i = 1, #pairs_, 2 do parts[#parts + 1] = '"' .. pairs_[i] .. '":' .. pairs_[i + 1] end
  return '{' .. table.concat(parts, ',') .. '}'
end
local function text(value) return value and cjson.encode(value) or 'null' end

local function steps_of(number) return split(call('HGET', pipeline_key(number), 'steps')) end
local function job_of(step) return string.match(step, '^test/(.+)') or step end
local function needs_of(number, step) return split(call('HGET', step_key(number, step), 'needs')) end

-- Queue what reporters must hear; the id of the entry is the id of the event. `more` are names and values of what the
-- pipeline itself does not say. Two days of events stay, twice as long as a reporter tries, up to a million.
local OUTBOX, TOLD, MOST_TOLD = 'farm:outbox', 2 * 86400, 1000000
local function tell(number, kind, step, status, more)
  local trim = {'MINID', '~', string.format('%d', (NOW - TOLD) * 1000)}
  if call('XLEN', OUTBOX) >= MOST_TOLD then trim = {'MAXLEN', '~', MOST_TOLD} end
  call('XADD', OUTBOX, trim[1], trim[2], trim[3], '*',
    'pipeline', number, 'kind', kind, 'step', step, 'status', status, unpack(more or {}))
end

-- Repositories share the workers: the more of its own goes before a step, the later its turn, in ten grades, 0 first.
-- Before a pipeline's first step go the pipelines of its repository that are not over; before a job, the jobs beside it.
local GRADES = {1, 2, 3, 5, 8, 13, 21, 34, 55}
local function priority_of(number, step)
  local before, grade = 0, 0
  if #needs_of(number, step) == 0 then
    local unfinished = 'farm:unfinished:' .. call('HGET', pipeline_key(number), 'repository')
    before = call('ZCOUNT', unfinished, '-inf', '(' .. number)
    -- None goes before an older one of its repository, which may still wait where it was put.
    local older = call('ZREVRANGEBYSCORE', unfinished, '(' .. number, '-inf', 'LIMIT', 0, 1)[1]
    local status, priority = unpack(older and
      call('HMGET', step_key(older, steps_of(older)[1] or ''), 'status', 'priority') or {})
    if status == 'pending' then grade = tonumber(priority or 0) end
  else
    local stage = call('HGET', step_key(number, step), 'stage')
    for _, other in ipairs(steps_of(number)) do
      if other == step then break end
      local beside, status = unpack(call('HMGET', step_key(number, other), 'stage', 'status'))
      if beside == stage and not final(status) then before = before + 1 end
    end
  end
  while grade < #GRADES and before >= GRADES[grade + 1] do grade = grade + 1 end
  return grade
end

-- A fence is new also where Redis has lost its last second, and with it the newest fences: so it is the time, at least.
local function next_fence()
  local fence = math.max(tonumber(call('GET', 'farm:fence') or 0) + 1, math.floor(NOW * 1000))
  call('SET', 'farm:fence', string.format('%d', fence))
  return string.format('%d', fence)
end

-- Let a step wait in its queue from a time on; the reaper publishes it (again) at the deadline.
local function make_ready(number, step, at, deadline)
  local key = step_key(number, step)
  call('HSET', key, 'status', 'pending', 'ready', stamp(at), 'wakes', 0, 'priority', priority_of(number, step))
  call('ZADD', 'farm:queue:' .. call('HGET', key, 'queue'), stamp(at), member(number, step))
  call('ZADD', 'farm:deadlines', stamp(deadline), member(number, step))
end

local function leave_queues(number, step)
  local queue = call('HGET', step_key(number, step), 'queue')
  call('ZREM', 'farm:deadlines', member(number, step))
  call('ZREM', 'farm:queue:' .. queue, member(number, step))
  call('ZREM', 'farm:running:' .. queue, member(number, step))
end

local function end_step(number, step, status, reason)
  local key = step_key(number, step)
  local was, queue, stage, ready, started = unpack(call('HMGET', key, 'status', 'queue', 'stage', 'ready', 'started'))
  if was == 'running' then count_step(queue, stage, status, math.max(started - ready, 0), NOW - started, NOW) end
  call('HSET', key, 'status', status, 'finished', stamp(NOW))
  call('HDEL', key, 'note', 'reason', 'offered')
  if reason and reason ~= '' then call('HSET', key, 'reason', reason) end
  leave_queues(number, step)
  if call('EXISTS', log_key(number, step)) == 1 then call('ZADD', 'farm:logs', stamp(NOW), member(number, step)) end
  tell(number, 'step', step, status)
end

local function end_pipeline(number, status, reason)
  local key = pipeline_key(number)
  call('HSET', key, 'status', status, 'finished', stamp(NOW))
  if reason and reason ~= '' then call('HSET', key, 'reason', reason) end
  call('ZREM', 'farm:undispatched', number)
  call('ZREM', 'farm:timeouts', number)
  call('ZREM', 'farm:unfinished:' .. (call('HGET', key, 'repository') or ''), number)
  call('ZADD', 'farm:finished', stamp(NOW), number)
  count('pipelines ' .. (call('HGET', key, 'repository') or '?') .. ' ' .. status)
  tell(number, 'finished', '', status)
end

-- End all of a pipeline that is not at its end; its steps keep their fences, so that running workers hear why.
local function end_unfinished(number, status, reason)
  for _, step in ipairs(steps_of(number)) do
    if not final(call('HGET', step_key(number, step), 'status')) then end_step(number, step, status, reason) end
  end
  end_pipeline(number, status, reason)
end

-- After a step ended: skip what can no longer run, make ready what may, and end the pipeline after its last step.
-- Steps are listed so that each comes behind those that it needs.
local function settle(number, wake)
  local first, count, noted = {}, {}, nil
  local open = false
  for _, step in ipairs(steps_of(number)) do
    local key = step_key(number, step)
    local status, ready = unpack(call('HMGET', key, 'status', 'ready'))
    if status == 'pending' and not ready then
      local blocked, missing
      for _, need in ipairs(needs_of(number, step)) do
        local state, allowed = unpack(call('HMGET', step_key(number, need), 'status', 'allowed'))
        if not final(state) then missing = true
        elseif not good(state, allowed) then blocked = blocked or (need .. ' ' .. state) end
      end
      if blocked then
        status = 'skipped'
        end_step(number, step, status, blocked)
      elseif not missing then
        make_ready(number, step, NOW, NOW + wake)
      end
    end
    if not final(status) then open = true end
    if status == 'failed' and call('HGET', key, 'allowed') == '1' then
      status, noted = 'passed', noted or (job_of(step) .. ' failed, which is allowed')
    elseif status == 'passed' and not noted then
      local stage, reason = unpack(call('HMGET', key, 'stage', 'reason'))
      if stage == 'test' and reason then noted = job_of(step) .. ': ' .. reason end -- it passed at a later try
    end
    if call('HGET', key, 'left_out') == '1' then status = 'passed' end
    first[status], count[status] = first[status] or step, (count[status] or 0) + 1
  end
  if open then return end
  for _, status in ipairs({'errored', 'failed', 'canceled', 'superseded', 'passed', 'skipped'}) do
    if first[status] then
      local telling = first[status]
      if status == 'passed' then
        telling = call('HGET', pipeline_key(number), 'reason') and '' or first['skipped'] or ''
        if noted and telling == '' and not call('HGET', pipeline_key(number), 'reason') then
          return end_pipeline(number, status, noted)
        end
      end
      local reason = call('HGET', step_key(number, telling), 'reason')
      if not reason and status ~= 'passed' then
        reason = telling .. ' ' .. status
      elseif status == 'errored' or status == 'failed' then
        local job = string.match(telling, '^test/(.+)')
        if job then reason = job .. ': ' .. reason end
        if count[status] > 1 then reason = reason .. ' (and ' .. count[status] - 1 .. ' more)' end
      end
      return end_pipeline(number, status, reason)
    end
  end
end

local function row_of(number, step)
  local row, priority = unpack(call('HMGET', step_key(number, step), 'row', 'priority'))
  return '{"priority":' .. (priority or 0) .. ',' .. string.sub(row, 2)
end

-- Steps behind this one that wait for a worker now, as JSON rows.
local function ready_after(number, step)
  local rows = {}
  for _, other in ipairs(steps_of(number)) do
    local status, ready, needs = unpack(call('HMGET', step_key(number, other), 'status', 'ready', 'needs'))
    if status == 'pending' and ready and has(split(needs), step) then rows[#rows + 1] = row_of(number, other) end
  end
  return rows
end

-- A step and the rest of its chain: as long as exactly one step follows and needs nothing else.
local function wake_row(number, step)
  local rows = {}
  local all = steps_of(number)
  while step do
    rows[#rows + 1] = row_of(number, step)
    local followers = {}
    for _, other in ipairs(all) do
      if has(needs_of(number, other), step) then followers[#followers + 1] = other end
    end
    step = followers[1]
    if #followers ~= 1 or #needs_of(number, step) ~= 1 then step = nil end
  end
  return object({'number', number, 'steps', list(rows)})
end

-- Whether a worker still owns a step: 'ok', 'lost', 'canceled' (also when a newer push ended it), or 'over' when it ended
-- the step itself.
local function owned(number, step, fence)
  local status, newest, committed = unpack(call('HMGET', step_key(number, step), 'status', 'fence', 'committed'))
  if newest ~= fence then return 'lost' end
  if status == 'running' then return 'ok' end
  if committed == fence then return 'over' end
  return (status == 'canceled' or status == 'superseded') and 'canceled' or 'lost'
end
