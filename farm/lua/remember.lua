#!lua flags=allow-oom
-- REMEMBER: add one job's test results to the memory of its branch, and say what changed.
-- ARGV: number, step, fence, group (the job), results (JSON list of [test, p | f | s, milliseconds])
-- Answers {ok, JSON changes} | {lost} | {canceled}.
-- The memory is a hash a branch: "<group> <test>" -> "217p31,218f40", the newest last, at most KEEP of them. A capital
-- says that the same push had the other result too (a retry, another attempt). A test that is new on the branch is
-- compared with the default branch. What was not pushed to for a month is forgotten, and so are the oldest beyond
-- BRANCHES.
local number, step, fence, group, results = unpack(ARGV)
local KEEP, MOST, NAMED, BRANCHES, AGE = 20, 10000, 50, 500, 30 * 86400
local state = owned(number, step, fence)
if state ~= 'ok' then return {state == 'canceled' and state or 'lost'} end
local repository, ref = unpack(call('HMGET', pipeline_key(number), 'repository', 'ref'))
local function memory(of) return 'farm:tests:' .. repository .. ':' .. of end
local key = memory(ref)
local base = memory('refs/heads/' .. (call('HGET', 'farm:repository:' .. repository, 'default_branch') or ''))
local room = MOST - call('HLEN', key)

local function parsed(text)
  local entries = {}
  for n, result, ms in string.gmatch(text or '', '(%d+)(%a)(%d+)') do
    entries[#entries + 1] = {number = tonumber(n), result = result, ms = ms}
  end
  return entries
end
local function failed(entry) return entry.result == 'f' or entry.result == 'F' end
local function skipped(entry) return entry.result == 's' end

local mine = tonumber(number)
local against = 0
local names = {new = {}, still = {}, fixed = {}, flaky = {}}
local counts = {new = 0, still = 0, fixed = 0, flaky = 0}
local function note(kind, row)
  counts[kind] = counts[kind] + 1
  if counts[kind] <= NAMED then names[kind][counts[kind]] = row end
end

local function add(test, result, ms, known, earlier)
  local entry = {number = mine, result = result, ms = ms}
  local kept = {}
  for _, old in ipairs(parsed(known)) do
    if old.number ~= mine then kept[#kept + 1] = old
    elseif not skipped(entry) and not skipped(old) and (failed(old) ~= failed(entry) or old.result == string.upper(old.result)) then
      entry.result = string.upper(result)
    end
  end
  local at = #kept + 1
  while at > 1 and kept[at - 1].number > mine do at = at - 1 end
  table.insert(kept, at, entry)
  while #kept > KEEP do table.remove(kept, 1) end

  local before = kept[1].number < mine and kept or parsed(earlier)
  local last, since, recoveries, open = nil, mine, 0, false
  for _, old in ipairs(before) do
    if old.number < mine and not skipped(old) then
      against = math.max(against, old.number)
      if failed(old) then
        if not open then since = old.number end
        open = true
      else
        if open then recoveries = recoveries + 1 end
        open = false
        since = mine
      end
      if old.result == string.upper(old.result) then recoveries = recoveries + 1 end
      last = old
    end
  end
  local encoded = cjson.encode(test)
  if not skipped(entry) then
    local both = entry.result == string.upper(entry.result)
    if failed(entry) then
      if last and failed(last) then note('still', list({encoded, since})) else note('new', encoded) end
    elseif last and failed(last) then
      recoveries = recoveries + 1
      note('fixed', encoded)
    end
    -- Flaky: both results for one push, or a failure that came back after it had gone.
    if both or (recoveries >= 2 and last and (failed(entry) or failed(last)))
      or (recoveries >= 1 and failed(entry) and not (last and failed(last))) then note('flaky', encoded) end
  end

  local parts = {}
  for i, each in ipairs(kept) do parts[i] = each.number .. each.result .. each.ms end
  return table.concat(parts, ',')
end

local rows = cjson.decode(results)
for start = 1, #rows, 1000 do
  local fields = {}
  for i = start, math.min(start + 999, #rows) do fields[#fields + 1] = group .. ' ' .. rows[i][1] end
  local known = call('HMGET', key, unpack(fields))
  local earlier = base ~= key and call('HMGET', base, unpack(fields)) or known
  local changed = {}
  for i, field in ipairs(fields) do
    local test, result, ms = unpack(rows[start + i - 1])
    local text_ = add(test, result, ms, known[i] or '', earlier[i] or '')
    if not known[i] then room = room - 1 end
    if known[i] or room >= 0 then
      changed[#changed + 1] = field
      changed[#changed + 1] = text_
    end
  end
  if #changed > 0 then call('HSET', key, unpack(changed)) end
end

-- No room left: forget the tests that none of the branch's newest pipelines has run.
if room < 0 then
  local newest = call('ZREVRANGE', 'farm:pipelines:' .. repository .. ':' .. ref, KEEP - 1, KEEP - 1)[1]
  local flat = call('HGETALL', key)
  for i = 1, #flat, 2 do
    local last = tonumber(string.match(flat[i + 1], '(%d+)%a%d+$'))
    if newest and last < tonumber(newest) then call('HDEL', key, flat[i]) end
  end
end
call('EXPIRE', key, AGE)
call('ZADD', 'farm:tests', stamp(NOW), key)
call('ZREMRANGEBYSCORE', 'farm:tests', '-inf', stamp(NOW - AGE))
for _, old in ipairs(call('ZRANGE', 'farm:tests', 0, -BRANCHES - 1)) do
  call('DEL', old)
  call('ZREM', 'farm:tests', old)
end

local answer = {'against', against > 0 and against or 'null'}
for _, kind in ipairs({'new', 'still', 'fixed', 'flaky'}) do
  answer[#answer + 1] = kind
  answer[#answer + 1] = object({'count', counts[kind], 'tests', list(names[kind])})
end
return {'ok', object(answer)}
