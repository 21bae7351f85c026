#!lua flags=no-writes
-- HELD: what webhooks told and whose grace is over.
-- ARGV: how many at most
-- Answers them, the oldest first.
return call('ZRANGEBYSCORE', 'farm:held', '-inf', stamp(NOW), 'LIMIT', 0, tonumber(ARGV[1]))
