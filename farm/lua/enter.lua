#!lua
-- ENTER: put all updates of one `git push` into the ledger.
-- ARGV: repository, JSON list of updates (id ref old new who options source line), JSON object ref -> [[old, new, line], ...],
-- what the reporter's clock says ("": not told), by which lines of the reflog are dated
-- Answers a JSON list of [number, known 0 | 1] in the order of the updates, or "unknown" for a repository. The number is
-- 0 where `ls-remote` saw what no pipeline stands for any more and the ledger knows all the same.
-- A push is known by its UUID; else by its line in git's reflog; else it is the first of the same (old, new) of its ref
-- that this source has not reported yet; else a guess (`ls-remote` saw only where the ref ended up) is taken over by the
-- report with the same new id. Occurrences: "<old> <new>" -> "<number>/<letters of its sources>/<line of the reflog>" ...
-- What is asked for by hand (source manual, old = new) is no push: it is known by its UUID alone and moves no tip.
-- Its place in the ref's order: by git's reflog when that is given and tells, else behind the last push, unless the ids
-- show that it is a late predecessor or successor of one that stands at a gap.
local repository = ARGV[1]
if call('EXISTS', 'farm:repository:' .. repository) == 0 then return '"unknown"' end
local updates, reflogs = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local LETTERS = {hook = 'h', webhook = 'w', reflog = 'r', ['ls-remote'] = 's'}
local AHEAD = (tonumber(ARGV[4]) or NOW) - NOW
local SKEW = 120 -- s by which the clocks of git's host and of Redis may differ beyond that
local WINDOWS = {120, 2000} -- newest pushes of a ref that are looked at; more only for one that comes very late

-- The newest pushes of a ref in their order, and the same with what was asked for by hand, which moved nothing: that
-- stands behind the push which had brought the ref where it was. `at` is the place of a push in the second list.
local function neighbours(key, window)
  local rows, all = {}, {}
  local raw = call('ZREVRANGE', key, 0, window - 1, 'WITHSCORES')
  for i = #raw - 1, 1, -2 do
    local old, new, source, line = unpack(call('HMGET', pipeline_key(raw[i]), 'old', 'new', 'source', 'line'))
    local row = {number = raw[i], position = tonumber(raw[i + 1]), old = old, new = new, source = source}
    row.line = line or ''
    all[#all + 1] = row
    if source ~= 'manual' then
      row.at = #all
      rows[#rows + 1] = row
    end
  end
  return rows, all
end

-- Past what was asked for by hand at an id.
local function past_hand(all, at, id)
  while all[at + 1] and all[at + 1].source == 'manual' and all[at + 1].new == id do at = at + 1 end
  return at
end

-- Where a pipeline by hand belongs: behind the push that brought the ref to its commit, else before the one that took it
-- away from there, else behind all, for a push on its way brought it there. So it never goes before what it is older than.
local function place_by_hand(rows, all, id)
  for i = #rows, 1, -1 do if rows[i].new == id then return past_hand(all, rows[i].at, id) end end
  for i = #rows, 1, -1 do if rows[i].old == id then return rows[i].at - 1 end end
  return #all
end

-- Whether two places in the reflog may be one: "" where it is not known.
local function agree(one, other) return one == '' or other == '' or one == other end

-- A guess stands for the line that ends where it ended.
local function same(row, line)
  return row.new == line[2] and (row.old == line[1] or row.source == 'ls-remote') and agree(row.line, line[3] or '')
end

local function lists(line, update)
  return line[1] == update.old and line[2] == update.new and agree(line[3] or '', update.line)
end

-- The longest way to match known pushes with lines of the reflog, both in order: line -> index of the push. Where there
-- are several ways the later lines are matched, for a guess saw the last of several; but where a reflog begins anew the
-- later pushes, for the earlier ones may be of another life of the ref.
-- A reflog begins anew with its ref, so what came before the ref was made again is in none; one that lists a deletion has
-- outlived it. The second value says whether it begins so and is whole.
local function matched(rows, lines)
  local base = 0
  local anew = lines[1] and not string.find(lines[1][1], '[^0]')
  for _, line in ipairs(lines) do anew = anew and string.find(line[2], '[^0]') end
  if anew then
    for i, row in ipairs(rows) do if not string.find(row.new, '[^0]') then base = i end end
  end
  local length = {[base] = {}}
  for j = 0, #lines do length[base][j] = 0 end
  for i = base + 1, #rows do
    length[i] = {[0] = 0}
    for j = 1, #lines do
      if same(rows[i], lines[j]) then length[i][j] = length[i - 1][j - 1] + 1
      else length[i][j] = math.max(length[i - 1][j], length[i][j - 1]) end
    end
  end
  local found, i, j = {}, #rows, #lines
  while i > base and j > 0 do
    if same(rows[i], lines[j]) then
      found[j] = i
      i, j = i - 1, j - 1
    elseif length[i - 1][j] > length[i][j - 1] or (length[i - 1][j] == length[i][j - 1] and not anew) then i = i - 1
    else j = j - 1 end
  end
  return found, anew
end

local function place_by_ids(rows, update)
  local count = #rows
  if count == 0 or rows[count].new == update.old then return count end
  for i = count, 1, -1 do
    local gap = i == 1 or rows[i - 1].new ~= rows[i].old
    if gap and rows[i].old == update.new then return i - 1 end
  end
  for i = count, 1, -1 do
    if rows[i].source == 'ls-remote' and rows[i].old == update.old then return i - 1 end -- it begins the guessed gap
  end
  for i = count - 1, 1, -1 do
    if rows[i].new == update.old and rows[i + 1].old ~= rows[i].new then return i end
  end
  return nil
end

-- Behind which of the known pushes a new one comes (0: before all). What a whole reflog does not list, or lists no more
-- often than is known, is of an earlier life of the ref: it goes before all that the reflog lists.
local function place_by_reflog(rows, update, lines)
  local found, anew = matched(rows, lines)
  for j, line in ipairs(lines) do
    if not found[j] and lists(line, update) then
      for k = j - 1, 1, -1 do if found[k] then return found[k] end end
      for k = j + 1, #lines do if found[k] then return found[k] - 1 end end
      return anew and #rows or nil
    end
  end
  if not anew then return nil end
  local earlier, first = {}, #rows + 1
  for j = #lines, 1, -1 do first = found[j] or first end
  for i = 1, first - 1 do earlier[i] = rows[i] end
  earlier[first] = {old = lines[1][1]}
  return place_by_ids(earlier, update) or first - 1
end

-- `top` is the highest place of those that are forgotten: what comes behind all others comes behind them, too.
local function position_behind(key, rows, index, top)
  if index == #rows then return math.max(index > 0 and rows[index].position or top, top) + 1 end
  local upper = rows[index + 1].position
  local lower = index > 0 and rows[index].position
    or tonumber(call('ZREVRANGEBYSCORE', key, '(' .. precise(upper), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
    or (top > 0 and top < upper and top)
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
  local rows, all, index, at
  for _, window in ipairs(WINDOWS) do
    rows, all = neighbours(key, window)
    if update.source == 'manual' then
      at = place_by_hand(rows, all, update.new)
    else
      index = lines and place_by_reflog(rows, update, lines) or place_by_ids(rows, update)
      at = index and past_hand(all, index > 0 and rows[index].at or 0, update.old)
    end
    if #all < window or (at and at > 0) then break end
  end
  local top = tonumber(call('HGET', 'farm:tops:' .. repository, update.ref) or 0)
  call('ZADD', key, precise(position_behind(key, all, at or #all, top)), number)
  call('ZADD', 'farm:pipelines', number, number)
  call('ZADD', 'farm:pipelines:' .. repository, number, number)
  call('ZADD', 'farm:pipelines:' .. repository .. ':' .. update.ref, number, number)
  call('ZADD', 'farm:undispatched', stamp(NOW), number)
  tell(number, 'created', '', 'pending')
  return number
end

local function occurrences_of(key, pair)
  local found = {}
  for _, word in ipairs(split(call('HGET', key, pair))) do
    local number, letters, line = string.match(word, '^(%d+)/(%a*)/(%S*)$')
    found[#found + 1] = {number = number, letters = letters, line = line}
  end
  return found
end

local function keep(key, pair, found)
  local words = {}
  for _, one in ipairs(found) do words[#words + 1] = one.number .. '/' .. one.letters .. '/' .. one.line end
  if #words == 0 then call('HDEL', key, pair) else call('HSET', key, pair, table.concat(words, ' ')) end
end

-- Nobody reports a push before it happened; what is forgotten came in long ago.
local function may_be(number, update)
  local happened = tonumber(string.match(update.line, '^%d+'))
  return not happened or tonumber(call('HGET', pipeline_key(number), 'created') or 0) >= happened - AHEAD - SKEW
end

local function guessed(number) return call('HGET', pipeline_key(number), 'source') == 'ls-remote' end

-- The guess that saw where this push led, or nil: by the reflog where that lists the push, else by the ids.
local function guess_of(update)
  local rows, lines = neighbours(ref_key(repository, update.ref), WINDOWS[1]), reflogs[update.ref] or {}
  local listed, found = false, nil
  for j, line in ipairs(lines) do
    if lists(line, update) then
      listed, found = true, found or (matched(rows, lines))
      local row = rows[found[j]]
      if row and row.source == 'ls-remote' then return row end
    end
  end
  if listed then return nil end
  for i = #rows, 1, -1 do
    local row = rows[i]
    if row.source == 'ls-remote' and row.new == update.new and may_be(row.number, update) then return row end
    if row.new == update.old then return nil end -- it follows a push that is newer than any guess below
  end
end

-- What is neither a branch nor a tag is a pull request to a webhook and nothing to others, so they tell of two things.
local function another(one, update)
  if string.find(update.ref, '^refs/heads/') or string.find(update.ref, '^refs/tags/') then return false end
  local webhook = call('HGET', pipeline_key(one.number), 'source') == 'webhook'
  return webhook ~= (update.source == 'webhook')
end

-- The occurrence that this report is about, or nil. A hook reports a push once, so a line that a hook has claimed already
-- is that of an equal push, and this one has another.
local function reported(found, update, letter)
  for _, one in ipairs(found) do
    if update.line ~= '' and one.line == update.line and not another(one, update) then
      if letter == 'r' or not string.find(one.letters, letter) then return one end
      update.line = ''
    end
  end
  for _, one in ipairs(found) do
    local free = (update.line == '' or one.line == '') and not string.find(one.letters, letter)
    if free and not guessed(one.number) and may_be(one.number, update) and not another(one, update) then return one end
  end
end

-- A guess that ended at the same id: the pipeline stays, what git reported goes into it.
local function taken_over(update, key, pair, found)
  local row = guess_of(update)
  if not row then return nil end
  local before, left, taken = row.old .. ' ' .. row.new, {}, nil
  if before == pair then
    for _, one in ipairs(found) do if one.number == row.number then return one end end
    return nil
  end
  for _, one in ipairs(occurrences_of(key, before)) do
    if one.number == row.number then taken = one else left[#left + 1] = one end
  end
  keep(key, before, left)
  call('HSET', pipeline_key(row.number), 'old', update.old)
  found[#found + 1] = taken or {number = row.number, letters = 's', line = ''}
  return found[#found]
end

-- Who knows better says who pushed. What was pushed with it counts while nobody has looked at the push.
local KNOWS = {['ls-remote'] = 1, reflog = 2, webhook = 3, hook = 4}
local function tell_better(number, update)
  local key = pipeline_key(number)
  local before = call('HGET', key, 'source')
  if not before or KNOWS[before] >= KNOWS[update.source] then return end
  call('HSET', key, 'source', update.source, 'who', update.who)
  if call('ZSCORE', 'farm:undispatched', number) then call('HSET', key, 'options', update.options) end
end

-- Where the newest push of a ref led.
local function newest_of(ref)
  local i = 0
  while true do
    local number = call('ZREVRANGE', ref_key(repository, ref), i, i)[1]
    if not number then return nil end
    local new, source = unpack(call('HMGET', pipeline_key(number), 'new', 'source'))
    if source ~= 'manual' then return new end
    i = i + 1
  end
end

local function enter(update)
  if update.source == 'manual' then return create(update), 0 end
  local key, tips = 'farm:occurrences:' .. repository .. ':' .. update.ref, 'farm:tips:' .. repository
  local pair, letter = update.old .. ' ' .. update.new, LETTERS[update.source]
  local found, one, known = occurrences_of(key, pair), nil, 1
  if letter == 's' then
    local tip = call('HGET', tips, update.ref)
    local overtaken = tip and tip ~= update.old -- somebody has told of the ref since the ledger was read
    if overtaken or (tip or string.rep('0', #update.new)) == update.new then
      return call('ZREVRANGE', ref_key(repository, update.ref), 0, 0)[1] or 0, known
    end
  else
    one = reported(found, update, letter)
    one = one or taken_over(update, key, pair, found)
    if one then tell_better(one.number, update) end
  end
  if not one then
    one, known = {number = create(update), letters = '', line = ''}, 0
    found[#found + 1] = one
    call('HSET', tips, update.ref, newest_of(update.ref) or update.new)
  end
  if not string.find(one.letters, letter) then one.letters = one.letters .. letter end
  if one.line == '' and update.line ~= '' then
    one.line = update.line
    call('HSET', pipeline_key(one.number), 'line', update.line)
  end
  keep(key, pair, found)
  return one.number, known
end

local answers = {}
for _, update in ipairs(updates) do
  local seen = 'farm:push:' .. update.id
  local number, known = call('GET', seen), 1
  if not number then
    number, known = enter(update)
    if tonumber(number) > 0 then call('SET', seen, number, 'EX', 90 * 86400) end
  end
  answers[#answers + 1] = '[' .. number .. ',' .. known .. ']'
end
return list(answers)
