#!lua
-- ENTER: put all updates of one `git push` into the ledger.
-- ARGV: repository, JSON list of updates (id ref old new who options source), JSON object ref -> [[old, new], ...]
-- Answers a JSON list of [number, known 0 | 1] in the order of the updates, or "unknown" for a repository.
-- A push is known by its UUID; else as the k-th report of (old, new) of its ref by its source, whoever reported the k-th
-- first; else a guess (`ls-remote` saw only where the ref ended up) is taken over by the report with the same new id.
-- Its place in the ref's order: by git's reflog when that is given and tells, else behind the last push, unless the ids
-- show that it is a late predecessor or successor of one that stands at a gap.
local repository = ARGV[1]
if call('EXISTS', 'farm:repository:' .. repository) == 0 then return '"unknown"' end
local updates, reflogs = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local WINDOWS = {120, 2000} -- newest pushes of a ref that are looked at; more only for one that comes very late

local function neighbours(key, window)
  local rows = {}
  local raw = call('ZREVRANGE', key, 0, window - 1, 'WITHSCORES')
  for i = #raw - 1, 1, -2 do
    local old, new, source = unpack(call('HMGET', pipeline_key(raw[i]), 'old', 'new', 'source'))
    rows[#rows + 1] = {number = raw[i], position = tonumber(raw[i + 1]), old = old, new = new, source = source}
  end
  return rows
end

-- The longest way to match known pushes with lines of the reflog, both in order: line -> index of the push.
local function matched(rows, lines)
  local length = {}
  for i = #rows + 1, 1, -1 do
    length[i] = {}
    for j = #lines + 1, 1, -1 do
      if i > #rows or j > #lines then length[i][j] = 0
      elseif rows[i].old == lines[j][1] and rows[i].new == lines[j][2] then length[i][j] = length[i + 1][j + 1] + 1
      else length[i][j] = math.max(length[i + 1][j], length[i][j + 1]) end
    end
  end
  local found, i, j = {}, 1, 1
  while i <= #rows and j <= #lines do
    if rows[i].old == lines[j][1] and rows[i].new == lines[j][2] then
      found[j] = i
      i, j = i + 1, j + 1
    elseif length[i + 1][j] >= length[i][j + 1] then i = i + 1
    else j = j + 1 end
  end
  return found
end

-- Behind which of the known pushes a new one comes (0: before all).
local function place_by_reflog(rows, update, lines)
  local found = matched(rows, lines)
  for j, line in ipairs(lines) do
    if not found[j] and line[1] == update.old and line[2] == update.new then
      for k = j - 1, 1, -1 do if found[k] then return found[k] end end
      for k = j + 1, #lines do if found[k] then return found[k] - 1 end end
      return nil
    end
  end
end

local function place_by_ids(rows, update)
  local count = #rows
  if count == 0 or rows[count].new == update.old then return count end
  for i = count, 1, -1 do
    local gap = i == 1 or rows[i - 1].new ~= rows[i].old
    if gap and rows[i].old == update.new then return i - 1 end
  end
  for i = count - 1, 1, -1 do
    if rows[i].new == update.old and rows[i + 1].old ~= rows[i].new then return i end
  end
  return nil
end

local function position_behind(key, rows, index)
  if #rows == 0 then return 1 end
  if index == #rows then return rows[index].position + 1 end
  local upper = rows[index + 1].position
  local lower = index > 0 and rows[index].position
    or tonumber(call('ZREVRANGEBYSCORE', key, '(' .. precise(upper), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
  if not lower then return upper - 1 end
  local middle = (lower + upper) / 2
  if middle > lower and middle < upper then return middle end
  -- No room between two floats: those above move up until there is. Positions only grow, so none falls below a mark
  -- whose pipeline is forgotten.
  local least = lower + 1
  for i = index + 1, #rows do
    if rows[i].position >= least then break end
    call('ZADD', key, precise(least), rows[i].number)
    least = least + 1
  end
  return lower + 0.5
end

local function create(update)
  local number = call('INCR', 'farm:number')
  call('HSET', pipeline_key(number), 'schema', 1, 'repository', repository, 'ref', update.ref, 'old', update.old,
    'new', update.new, 'who', update.who, 'options', update.options, 'source', update.source, 'push', update.id,
    'status', 'pending', 'created', stamp(NOW), 'round', 1)
  local key = ref_key(repository, update.ref)
  local lines = reflogs[update.ref]
  local rows, index
  for _, window in ipairs(WINDOWS) do
    rows = neighbours(key, window)
    index = lines and place_by_reflog(rows, update, lines) or place_by_ids(rows, update)
    if #rows < window or (index and index > 0) then break end
  end
  call('ZADD', key, precise(position_behind(key, rows, index or #rows)), number)
  call('ZADD', 'farm:pipelines', number, number)
  call('ZADD', 'farm:pipelines:' .. repository, number, number)
  call('ZADD', 'farm:pipelines:' .. repository .. ':' .. update.ref, number, number)
  call('ZADD', 'farm:undispatched', stamp(NOW), number)
  tell(number, 'opened', '', 'pending')
  return number
end

-- A guess from another source that ended at the same id: the pipeline stays, what git reported goes into it.
local function take_over_guess(update, occurrences, pair)
  if update.source == 'ls-remote' then return nil end
  local rows = neighbours(ref_key(repository, update.ref), WINDOWS[1])
  for i = #rows, 1, -1 do
    local row = rows[i]
    if row.new == update.old then return nil end -- it follows a push that is newer than any guess below
    if row.source == 'ls-remote' and row.new == update.new then
      local guessed = row.old .. ' ' .. row.new
      if guessed ~= pair then
        local left = {}
        for _, number in ipairs(split(call('HGET', occurrences, guessed))) do
          if number ~= row.number then left[#left + 1] = number end
        end
        call('HSET', occurrences, guessed, table.concat(left, ' '))
        call('HINCRBY', occurrences, 'ls-remote ' .. guessed, -1)
        call('HSET', pipeline_key(row.number), 'old', update.old)
      end
      call('HSET', pipeline_key(row.number), 'source', update.source, 'who', update.who)
      return row.number
    end
  end
end

local answers = {}
for _, update in ipairs(updates) do
  local seen = 'farm:push:' .. update.id
  local number, known = call('GET', seen), 1
  if not number then
    local occurrences = 'farm:occurrences:' .. repository .. ':' .. update.ref
    local pair = update.old .. ' ' .. update.new
    local k = call('HINCRBY', occurrences, update.source .. ' ' .. pair, 1)
    local numbers = split(call('HGET', occurrences, pair))
    number = numbers[k]
    if not number then
      number = take_over_guess(update, occurrences, pair)
      if not number then
        number = create(update)
        known = 0
      end
      numbers[#numbers + 1] = number
      call('HSET', occurrences, pair, table.concat(numbers, ' '))
    elseif update.source ~= 'ls-remote' and call('HGET', pipeline_key(number), 'source') == 'ls-remote' then
      call('HSET', pipeline_key(number), 'source', update.source, 'who', update.who)
    end
    call('SET', seen, number, 'EX', 90 * 86400)
  end
  answers[#answers + 1] = '[' .. number .. ',' .. known .. ']'
end
return list(answers)
