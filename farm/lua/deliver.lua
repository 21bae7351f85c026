#!lua
-- DELIVER: keep what a webhook tells until it is in the ledger, and remember by what the delivery is known.
-- ARGV: JSON list of identities, what it tells (JSON, '' for nothing), repository, grace (s), seconds to remember,
--       how many identities at most
-- Answers {kept}, or {known} when one of the identities came before: then nothing is kept.
-- The grace counts only where the repository has a hook, which tells the same push and knows more of it.
local identities, told, repository, grace, memory, most = unpack(ARGV)
local seen = 'farm:deliveries'
call('ZREMRANGEBYSCORE', seen, '-inf', stamp(NOW - tonumber(memory)))
identities = cjson.decode(identities)
for _, identity in ipairs(identities) do if call('ZSCORE', seen, identity) then return {'known'} end end
for _, identity in ipairs(identities) do call('ZADD', seen, stamp(NOW), identity) end
call('ZREMRANGEBYRANK', seen, 0, -tonumber(most) - 1)
if told ~= '' then
  local hooked = (call('HGET', 'farm:repository:' .. repository, 'token_hash') or '') ~= ''
  call('ZADD', 'farm:held', stamp(NOW + (hooked and tonumber(grace) or 0)), told)
end
return {'kept'}
