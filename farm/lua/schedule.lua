#!lua
-- SCHEDULE: keep which time of a schedule was the last to be seen to, unless another dispatcher did meanwhile.
-- ARGV: schedule, the time that was read before ('' for none), JSON of what is kept now (its `slot` is the new time)
-- Answers 1, or 0 when another time is kept by now.
local schedule, before, row = unpack(ARGV)
local kept = call('HGET', 'farm:schedules', schedule)
local slot = kept and string.format('%.0f', cjson.decode(kept).slot) or ''
if slot ~= before then return 0 end
call('HSET', 'farm:schedules', schedule, row)
return 1
