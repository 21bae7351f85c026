#!lua flags=allow-oom
-- CLOSE: end a pipeline that never gets steps.
-- ARGV: number, status, reason
-- Answers 1, or 0 when it is unknown, over, or has steps.
local number, status, reason = unpack(ARGV)
local state, steps = unpack(call('HMGET', pipeline_key(number), 'status', 'steps'))
if not state or final(state) or steps then return 0 end
end_pipeline(number, status, reason)
return 1
