#!lua flags=allow-oom
-- TOKEN_REMOVE: a named token is worth nothing from now on.
-- ARGV: name
-- Answers 1, or 0 when there is none of this name.
local hash = call('HGET', 'farm:tokens', ARGV[1])
if not hash then return 0 end
call('HDEL', 'farm:tokens', ARGV[1])
call('DEL', 'farm:token:' .. hash)
return 1
