#!lua flags=no-writes
-- EARLIER: the ids that the ref of a push had before it.
-- ARGV: number
-- Answers them, the baseline first; the ids of forgotten pushes are not among them.
local number = ARGV[1]
local repository, ref = unpack(call('HMGET', pipeline_key(number), 'repository', 'ref'))
if not repository then return {} end
local key = ref_key(repository, ref)
local ids = {call('HGET', 'farm:baseline:' .. repository, ref) or nil}
for _, other in ipairs(call('ZRANGE', key, '-inf', '(' .. call('ZSCORE', key, number), 'BYSCORE')) do
  ids[#ids + 1] = call('HGET', pipeline_key(other), 'new')
end
return ids
