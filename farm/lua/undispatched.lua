#!lua flags=no-writes
-- UNDISPATCHED: the pipelines in the ledger that no dispatcher has opened or closed yet.
-- ARGV: age (s) from which on they count
-- Answers their numbers, oldest first.
return call('ZRANGEBYSCORE', 'farm:undispatched', '-inf', stamp(NOW - tonumber(ARGV[1])), 'LIMIT', 0, 1000)
