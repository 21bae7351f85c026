#!lua
-- OPEN: create the steps of a pipeline and make those ready that need nothing.
-- ARGV: number, definition (JSON), image repository, remark, lease (s), supersede (1: older pipelines of the same ref
-- that are not at their end shall end now), protected (1: this push may have protected secrets), timeout (s, 0 for
-- none), then each step's row (JSON: name stage needs queue, and skip: the reason for one that is not to run at all,
-- which nothing else may need)
-- Answers 1, or 0 when the pipeline is unknown, open already, or over.
local number, definition, image, remark, lease, supersede, protected, timeout = unpack(ARGV, 1, 8)
local MOST = 1000 -- pushes of a ref that are looked at to either side
local key = pipeline_key(number)
local status, steps, repository, ref, round = unpack(
  call('HMGET', key, 'status', 'steps', 'repository', 'ref', 'round'))
if not status or final(status) or steps then return 0 end
local order = ref_key(repository, ref)
local position = call('ZSCORE', order, number)

-- One that is reported late finds that a newer push has had all older ones end; only a person's retry gets past it.
if round == '1' and position then
  for _, newer in ipairs(call('ZRANGEBYSCORE', order, '(' .. position, '+inf', 'LIMIT', 0, MOST)) do
    if call('HGET', pipeline_key(newer), 'supersedes') then
      end_unfinished(number, 'superseded', 'superseded by #' .. newer)
      return 0
    end
  end
end

local names = {}
for i = 9, #ARGV do
  local row = cjson.decode(ARGV[i])
  for _, need in ipairs(row.needs) do
    if not has(names, need) then return redis.error_reply('ERR step ' .. row.name .. ' comes before ' .. need) end
  end
  names[#names + 1] = row.name
  call('DEL', step_key(number, row.name))
  call('HSET', step_key(number, row.name), 'stage', row.stage, 'status', 'pending', 'queue', row.queue,
    'needs', table.concat(row.needs, ' '), 'row', ARGV[i], 'attempts', 0, 'takeovers', 0, 'errors', 0)
  if row.skip then
    call('HSET', step_key(number, row.name), 'left_out', 1)
    end_step(number, row.name, 'skipped', row.skip)
  else
    call('SADD', 'farm:queues', row.queue)
  end
end
call('HSET', key, 'definition', definition, 'image_repository', image, 'steps', table.concat(names, ' '),
  'protected', protected)
if tonumber(timeout) > 0 then call('HSET', key, 'timeout', timeout) end
if remark ~= '' then call('HSET', key, 'reason', remark, 'remark', remark) end
call('HDEL', key, 'note')
call('ZREM', 'farm:undispatched', number)
call('ZADD', 'farm:unfinished:' .. repository, number, number)
tell(number, 'queued', '', 'pending')
settle(number, tonumber(lease) / 2)

if supersede == '1' and position then
  call('HSET', key, 'supersedes', 1)
  for _, older in ipairs(call('ZREVRANGEBYSCORE', order, '(' .. position, '-inf', 'LIMIT', 0, MOST)) do
    local state, releasing = unpack(call('HMGET', pipeline_key(older), 'status', 'releasing'))
    if not final(state) and not releasing then end_unfinished(older, 'superseded', 'superseded by #' .. number) end
  end
end
return 1
