#!lua
-- REGISTER: one name, one clone URL; the refs that are there at first are a baseline.
-- ARGV: repository, url, default branch, hash of the hook's token ('' keeps it), JSON object ref -> id,
--       1 when it has moved to that URL
-- Answers ok, or the other URL that the name has.
local repository, url, default_branch, token_hash, refs, moved = unpack(ARGV)
local key = 'farm:repository:' .. repository
local there = call('HGET', key, 'url')
if there and there ~= url and moved ~= '1' then return there end
if not there then
  call('HSET', key, 'created', stamp(NOW), 'token_hash', '')
  for ref, id in pairs(cjson.decode(refs)) do
    call('HSET', 'farm:baseline:' .. repository, ref, id)
    call('HSET', 'farm:tips:' .. repository, ref, id) -- where the ref is as far as the ledger knows
  end
  call('SADD', 'farm:repositories', repository)
end
call('HSET', key, 'url', url, 'default_branch', default_branch)
if token_hash ~= '' then
  local index, before = hooks(), call('HGET', key, 'token_hash')
  if before ~= '' then call('HDEL', index, before) end
  call('HSET', key, 'token_hash', token_hash)
  call('HSET', index, token_hash, repository)
end
return 'ok'
