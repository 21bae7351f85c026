#!lua flags=no-writes
-- STOOD: where the other refs of a push's repository stood when it came, and all refs at the registration.
-- ARGV: number
-- Answers ids; of a ref whose earlier pushes are forgotten it is where the ref is now, unless it was pushed to since.
local number = ARGV[1]
local repository, ref = unpack(call('HMGET', pipeline_key(number), 'repository', 'ref'))
if not repository then return {} end

local function stood(other, tip)
  local key = 'farm:pipelines:' .. repository .. ':' .. other
  local before = call('ZRANGE', key, '(' .. number, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1)[1]
  if before then return call('HGET', pipeline_key(before), 'new') end
  if call('ZCOUNT', key, '(' .. number, '+inf') == 0 then return tip end
end

local ids = call('HVALS', 'farm:baseline:' .. repository)
local tips = call('HGETALL', 'farm:tips:' .. repository)
for i = 1, #tips, 2 do
  if tips[i] ~= ref then ids[#ids + 1] = stood(tips[i], tips[i + 1]) end
end
return ids
