#!lua flags=no-writes
-- QUEUES: how many steps wait in each queue and run from it.
-- ARGV: names to look at beside those that ever had a step
-- Answers a list of {name, depth, seconds that the first has been waiting ('' for none), running}.
local names, answer = {}, {}
for _, name in ipairs(call('SMEMBERS', 'farm:queues')) do names[name] = true end
for _, name in ipairs(ARGV) do names[name] = true end
for name in pairs(names) do
  local first = call('ZRANGE', 'farm:queue:' .. name, 0, 0, 'WITHSCORES')
  local oldest = first[2] and stamp(math.max(0, NOW - tonumber(first[2]))) or ''
  answer[#answer + 1] = {name, call('ZCARD', 'farm:queue:' .. name), oldest, call('ZCARD', 'farm:running:' .. name)}
end
return answer
