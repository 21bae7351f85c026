#!lua flags=allow-oom
-- BEAT: a worker is there.
-- ARGV: name, host, slots, labels, queues, busy (the last three JSON lists), why it takes no work by its own account (''),
-- what its machine has left (a JSON object, or '')
-- Answers {now, what the record holds against it}. Workers that were not seen for a day are forgotten.
local name, host, slots, labels, queues, busy, closed, machine = unpack(ARGV)
call('HSET', 'farm:worker:' .. name, 'host', host, 'slots', slots, 'labels', labels, 'queues', queues, 'busy', busy,
  'closed', closed, 'machine', machine or '', 'seen', stamp(NOW))
call('EXPIRE', 'farm:worker:' .. name, 86400)
call('ZADD', 'farm:workers', stamp(NOW), name)
call('ZREMRANGEBYSCORE', 'farm:workers', '-inf', stamp(NOW - 86400))
return {stamp(NOW), call('HGETALL', gate_key(name))}
