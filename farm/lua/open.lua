#!lua
-- OPEN: create the steps of a pipeline and make those ready that need nothing.
-- ARGV: number, definition (JSON), image repository, remark, lease (s), then each step's row (JSON: name stage needs queue)
-- Answers 1, or 0 when the pipeline is unknown, open already, or over.
local number, definition, image, remark, lease = unpack(ARGV, 1, 5)
local key = pipeline_key(number)
local status, steps = unpack(call('HMGET', key, 'status', 'steps'))
if not status or final(status) or steps then return 0 end
local names = {}
for i = 6, #ARGV do
  local row = cjson.decode(ARGV[i])
  for _, need in ipairs(row.needs) do
    if not has(names, need) then return redis.error_reply('ERR step ' .. row.name .. ' comes before ' .. need) end
  end
  names[#names + 1] = row.name
  call('DEL', step_key(number, row.name))
  call('HSET', step_key(number, row.name), 'stage', row.stage, 'status', 'pending', 'queue', row.queue,
    'needs', table.concat(row.needs, ' '), 'row', ARGV[i], 'attempts', 0, 'takeovers', 0, 'errors', 0)
  call('SADD', 'farm:queues', row.queue)
end
call('HSET', key, 'definition', definition, 'image_repository', image, 'steps', table.concat(names, ' '))
if remark ~= '' then call('HSET', key, 'reason', remark, 'remark', remark) end
call('HDEL', key, 'note')
call('ZREM', 'farm:undispatched', number)
settle(number, tonumber(lease) / 2)
return 1
