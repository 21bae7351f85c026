#!lua flags=allow-oom
-- LEAVE: a worker ends in order and is not to be missed. What the record holds against it stays for its next start.
-- ARGV: name
call('DEL', 'farm:worker:' .. ARGV[1])
call('ZREM', 'farm:workers', ARGV[1])
