#!lua flags=allow-oom
-- FORGET: delete finished pipelines with their steps and logs, the oldest first.
-- ARGV: age (s) from which on they go, how many of the newest stay whatever their age says not, how many at once
-- Answers how many went. The tags' marks and the order of what stays are not touched. What a ref released last stays and
-- is not counted: its image is the one that people have, and drift is told of it. What a push is known by (its UUID, its
-- occurrence) stays as long again as git's own reflog, so that a late report of it makes no second pipeline.
local age, keep, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local KNOWN = 90 * 86400 -- s; gc.reflogExpire's default
local surplus = call('ZCARD', 'farm:finished') - call('HLEN', 'farm:released') - keep
local gone = 0

local function forget_steps(number)
  for _, step in ipairs(steps_of(number)) do
    call('DECRBY', 'farm:logs:bytes', call('HGET', log_key(number, step) .. ':meta', 'stored') or 0)
    call('DEL', step_key(number, step), log_key(number, step), log_key(number, step) .. ':meta')
    call('ZREM', 'farm:logs', member(number, step))
  end
end

-- The place in its ref, for the tags that stand at it and for the pushes to come.
local function remember_position(number, repository, ref)
  local position = call('ZSCORE', ref_key(repository, ref), number)
  if not position then return end
  local top = call('HGET', 'farm:tops:' .. repository, ref)
  if not top or tonumber(top) < tonumber(position) then call('HSET', 'farm:tops:' .. repository, ref, position) end
  local image, began = unpack(call('HMGET', pipeline_key(number), 'image_repository', 'began'))
  for _, tag in ipairs(split(began)) do
    local key = tag_key(image, tag)
    if call('HGET', key, 'mark') == number then call('HSET', key, 'position', position) end
  end
end

local function forget(number, repository, ref, old, new)
  if repository then
    forget_steps(number)
    remember_position(number, repository, ref)
    call('ZREM', ref_key(repository, ref), number)
    call('ZREM', 'farm:pipelines:' .. repository, number)
    call('ZREM', 'farm:pipelines:' .. repository .. ':' .. ref, number)
    call('ZADD', 'farm:known', stamp(NOW), table.concat({repository, ref, old, new}, ' '))
  end
  call('DEL', pipeline_key(number))
  call('ZREM', 'farm:finished', number)
  call('ZREM', 'farm:pipelines', number)
  gone = gone + 1
end

for i, number in ipairs(call('ZRANGE', 'farm:finished', 0, most - 1)) do
  local finished = tonumber(call('ZSCORE', 'farm:finished', number))
  if finished > NOW - age and i > surplus then break end
  local repository, ref, old, new = unpack(call('HMGET', pipeline_key(number), 'repository', 'ref', 'old', 'new'))
  if repository and call('HGET', 'farm:released', repository .. ' ' .. ref) == number then
    call('ZADD', 'farm:finished', stamp(NOW), number) -- it is asked again when it is as old once more
  else
    forget(number, repository, ref, old, new)
  end
end

-- Occurrences only go once none of them is left.
for _, known in ipairs(call('ZRANGEBYSCORE', 'farm:known', '-inf', stamp(NOW - KNOWN), 'LIMIT', 0, most)) do
  local repository, ref, pair = string.match(known, '^(%S+) (%S+) (.+)$')
  local occurrences = 'farm:occurrences:' .. repository .. ':' .. ref
  local left = false
  for _, other in ipairs(split(call('HGET', occurrences, pair))) do
    if call('EXISTS', pipeline_key(string.match(other, '^%d+'))) == 1 then left = true end
  end
  if not left then call('HDEL', occurrences, pair) end
  call('ZREM', 'farm:known', known)
end
return gone
