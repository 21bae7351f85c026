#!lua
-- LOG_APPEND: add whole lines to a step's log.
-- ARGV: number, step, fence, request (unique), lines, bytes unpacked, compressed data, head, tail and budget (bytes)
-- Answers 1, or 0 when the fence is not the step's newest. A repeated request (its reply was lost) changes nothing.
-- The first `head` bytes stay; behind them the last `tail` bytes. `budget` holds over all logs, compressed: the oldest
-- finished logs go first, then the own tail, then the new lines themselves. Numbers count on whatever is dropped.
local number, step, fence, request, lines, size, data, head, tail, budget = unpack(ARGV)
lines, size, head, tail, budget = tonumber(lines), tonumber(size), tonumber(head), tonumber(tail), tonumber(budget)
local OVERHEAD = 200 -- bytes that an entry costs beside its data, about
local key, meta = log_key(number, step), log_key(number, step) .. ':meta'
local status, newest = unpack(call('HMGET', step_key(number, step), 'status', 'fence'))
if newest ~= fence then return 0 end
local last, asked, in_head, in_tail, head_end = unpack(
  call('HMGET', meta, 'lines', 'request', 'head', 'tail', 'head_end'))
if asked == request then return 1 end
last, in_head, head_end = tonumber(last or 0), tonumber(in_head or 0), head_end or '0'
call('HSET', meta, 'lines', last + lines, 'request', request)

local function charge(bytes)
  call('HINCRBY', meta, 'stored', bytes)
  return call('INCRBY', 'farm:logs:bytes', bytes)
end

local function drop_own_tail()
  local entry = call('XRANGE', key, '(' .. head_end .. '-0', '+', 'COUNT', 1)[1]
  if not entry then return false end
  call('XDEL', key, entry[1])
  local f = {}
  for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end
  local to = tonumber(string.match(entry[1], '^(%d+)'))
  call('HINCRBY', meta, 'dropped', to - tonumber(f.f) + 1)
  in_tail = call('HINCRBY', meta, 'tail', -tonumber(f.s))
  charge(-(#f.z + OVERHEAD))
  return true
end

local function evict_finished()
  for _, oldest in ipairs(call('ZRANGE', 'farm:logs', 0, 1)) do
    if oldest ~= member(number, step) then
      local other = log_key(string.match(oldest, '^(%S+) (.+)$'))
      local stored, all = unpack(call('HMGET', other .. ':meta', 'stored', 'lines'))
      call('DECRBY', 'farm:logs:bytes', stored or 0)
      call('HSET', other .. ':meta', 'stored', 0, 'dropped', all or 0, 'head', 0, 'tail', 0, 'head_end', all or 0)
      call('DEL', other)
      call('ZREM', 'farm:logs', oldest)
      return true
    end
  end
  return false
end

local cost = #data + OVERHEAD
while tonumber(call('GET', 'farm:logs:bytes') or 0) + cost > budget do
  if not evict_finished() and not drop_own_tail() then
    call('HINCRBY', meta, 'dropped', lines)
    return 1
  end
end
if not in_tail and in_head + size <= head then
  call('HSET', meta, 'head', in_head + size, 'head_end', last + lines)
else
  in_tail = call('HINCRBY', meta, 'tail', size)
  while in_tail > tail and drop_own_tail() do end
end
call('XADD', key, (last + lines) .. '-0', 'f', last + 1, 's', size, 't', (last + 1) .. ':' .. stamp(NOW), 'z', data)
charge(cost)
if final(status) then call('ZADD', 'farm:logs', stamp(NOW), member(number, step)) end
return 1
