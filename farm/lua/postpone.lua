#!lua
-- POSTPONE: leave a word on why no dispatcher could open or close a pipeline yet; opening it takes the word away.
-- ARGV: number, note
-- Answers 1, or 0 when the pipeline is unknown, over, or has steps.
local number, note = unpack(ARGV)
local status, steps = unpack(call('HMGET', pipeline_key(number), 'status', 'steps'))
if not status or final(status) or steps then return 0 end
call('HSET', pipeline_key(number), 'note', note)
return 1
