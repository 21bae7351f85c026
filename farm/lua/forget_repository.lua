#!lua flags=allow-oom
-- FORGET_REPOSITORY: a repository is registered no more; its secrets and the tokens for it alone end with it.
-- ARGV: repository
-- Answers {ok, clone URL, 1 if it had a hook, name of each token that ended ...} | {unknown} | {running, number}.
-- Its pipelines stay until their time is over, and so do the order of its refs (their places, farm:tops) and what tags
-- are and were: registered again, it goes on behind them, and `latest` goes nowhere back.
local repository = ARGV[1]
local key = 'farm:repository:' .. repository
local url, token_hash = unpack(call('HMGET', key, 'url', 'token_hash'))
if not url then return {'unknown'} end
local open = call('ZRANGE', 'farm:unfinished:' .. repository, 0, 0)[1]
for _, number in ipairs(open and {} or call('ZRANGE', 'farm:undispatched', 0, -1)) do
  if call('HGET', pipeline_key(number), 'repository') == repository then open = number end
end
if open then return {'running', open} end

local refs = {}
for _, of in ipairs({'farm:tips:', 'farm:tops:'}) do
  for _, ref in ipairs(call('HKEYS', of .. repository)) do refs[ref] = true end
end
for _, number in ipairs(call('ZRANGE', 'farm:pipelines:' .. repository, 0, -1)) do
  refs[call('HGET', pipeline_key(number), 'ref') or ''] = true
end
for ref in pairs(refs) do
  local of = repository .. ':' .. ref
  call('DEL', 'farm:coverage:' .. of, 'farm:slack:' .. of, 'farm:email:' .. of, 'farm:tests:' .. of)
  call('ZREM', 'farm:tests', 'farm:tests:' .. of)
end

local answer = {'ok', url, token_hash ~= '' and '1' or ''}
local tokens = call('HGETALL', 'farm:tokens')
for i = 1, #tokens, 2 do
  local token = 'farm:token:' .. tokens[i + 1]
  if call('HGET', token, 'repository') == repository then
    call('DEL', token)
    call('HDEL', 'farm:tokens', tokens[i])
    answer[#answer + 1] = tokens[i]
  end
end
if token_hash ~= '' then call('HDEL', hooks(), token_hash) end
call('DEL', key, 'farm:baseline:' .. repository, 'farm:tips:' .. repository, 'farm:secrets:' .. repository)
call('SREM', 'farm:repositories', repository)
return answer
