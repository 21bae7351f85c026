#!lua flags=allow-oom
-- HOOK_OWNER: whose hook has a token.
-- ARGV: hash of the token
-- Answers the repository, '' for none.
return call('HGET', hooks(), ARGV[1]) or ''
