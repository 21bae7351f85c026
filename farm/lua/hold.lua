#!lua flags=allow-oom
-- HOLD: take or prolong a dispatcher's lease on one of its loops.
-- ARGV: loop, holder, seconds
-- Answers 1, or 0 while another dispatcher has it.
local loop, holder, seconds = unpack(ARGV)
local key = 'farm:lease:' .. loop
local owner = call('GET', key)
if owner and owner ~= holder then return 0 end
call('SET', key, holder, 'PX', math.ceil(tonumber(seconds) * 1000))
return 1
