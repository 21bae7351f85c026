#!lua
-- TOKEN_ADD: a named token is known from now on.
-- ARGV: name, hash of the token, its scopes with blanks between, repository ('' for all), Unix s at which it ends ('' for
--       never), who gives it
-- Answers 1, or 0 when the name is taken, also by one that has ended.
local name, hash, scopes, repository, expires, who = unpack(ARGV)
if call('HSETNX', 'farm:tokens', name, hash) == 0 then return 0 end
call('HSET', 'farm:token:' .. hash, 'name', name, 'scopes', scopes, 'repository', repository, 'expires', expires,
  'who', who, 'created', stamp(NOW))
return 1
