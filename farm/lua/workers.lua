#!lua flags=no-writes
-- WORKERS: all that were seen within a day.
-- Answers {now, {name, fields, what the record holds against it}, ...}.
local answer = {stamp(NOW)}
for _, name in ipairs(call('ZRANGE', 'farm:workers', 0, -1)) do
  local fields = call('HGETALL', 'farm:worker:' .. name)
  if #fields > 0 then answer[#answer + 1] = {name, fields, call('HGETALL', gate_key(name))} end
end
return answer
