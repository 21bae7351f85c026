#!lua flags=no-writes
-- LOAD: what queues did in the newest slots of time.
-- ARGV: seconds of a slot, how many slots, queues
-- Answers {start of the oldest slot (s), for each queue a list of flat hashes, the oldest first}.
local width, slots = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest = math.floor(NOW / width)
local answer = {tostring((newest - slots + 1) * width)}
for i = 3, #ARGV do
  local rows = {}
  for slot = newest - slots + 1, newest do
    rows[#rows + 1] = call('HGETALL', 'farm:load:' .. ARGV[i] .. ':' .. width .. ':' .. slot)
  end
  answer[#answer + 1] = rows
end
return answer
