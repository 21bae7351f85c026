#!lua flags=allow-oom
-- FORGET: delete finished pipelines with their steps and logs, the oldest first.
-- ARGV: age (s) from which on they go, how many of the newest stay whatever their age says not, how many at once
-- Answers how many went. The tags' marks and the order of what stays are not touched.
local age, keep, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local surplus = call('ZCARD', 'farm:finished') - keep
local gone = 0
for i, number in ipairs(call('ZRANGE', 'farm:finished', 0, most - 1)) do
  local finished = tonumber(call('ZSCORE', 'farm:finished', number))
  if finished > NOW - age and i > surplus then break end
  local repository, ref, old, new, push = unpack(
    call('HMGET', pipeline_key(number), 'repository', 'ref', 'old', 'new', 'push'))
  for _, step in ipairs(steps_of(number)) do
    call('DECRBY', 'farm:logs:bytes', call('HGET', log_key(number, step) .. ':meta', 'stored') or 0)
    call('DEL', step_key(number, step), log_key(number, step), log_key(number, step) .. ':meta')
    call('ZREM', 'farm:logs', member(number, step))
  end
  call('DEL', pipeline_key(number))
  call('ZREM', 'farm:finished', number)
  call('ZREM', 'farm:pipelines', number)
  if repository then
    call('ZREM', ref_key(repository, ref), number)
    call('ZREM', 'farm:pipelines:' .. repository, number)
    call('ZREM', 'farm:pipelines:' .. repository .. ':' .. ref, number)
    -- Occurrences are counted, so they only go once none of them is left.
    local occurrences, pair = 'farm:occurrences:' .. repository .. ':' .. ref, old .. ' ' .. new
    local left = false
    for _, other in ipairs(split(call('HGET', occurrences, pair))) do
      if call('EXISTS', pipeline_key(other)) == 1 then left = true end
    end
    if not left then
      for _, source in ipairs({'hook', 'webhook', 'reflog', 'ls-remote', 'manual'}) do
        call('HDEL', occurrences, source .. ' ' .. pair)
      end
      call('HDEL', occurrences, pair)
    end
  end
  gone = gone + 1
end
return gone
