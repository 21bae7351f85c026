#!lua flags=allow-oom
-- DRAIN: let a worker finish what it has and take nothing more, or undo that; it holds for its next start too.
-- ARGV: name, who, undo (1)
-- Answers ok | unknown.
local name, who, undo = unpack(ARGV)
if call('EXISTS', gate_key(name)) == 0 and call('EXISTS', 'farm:worker:' .. name) == 0 then return 'unknown' end
if undo == '1' then
  call('HDEL', gate_key(name), 'drained', 'drained_by')
  call('EXPIRE', gate_key(name), KEPT)
elseif call('HSETNX', gate_key(name), 'drained', stamp(NOW)) == 1 then
  call('HSET', gate_key(name), 'drained_by', who)
  call('PERSIST', gate_key(name))
end
return 'ok'
