#!lua
-- APPROVE: note who let a pull request from a fork run.
-- ARGV: number, who
-- Answers 1, or 0 when there is no such pipeline.
local number, who = unpack(ARGV)
if call('EXISTS', pipeline_key(number)) == 0 then return 0 end
call('HSET', pipeline_key(number), 'approved_by', who)
return 1
