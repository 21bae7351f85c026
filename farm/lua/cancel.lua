#!lua flags=allow-oom
-- CANCEL: end a pipeline by a person's word; its steps keep their fences, so that running workers hear why.
-- ARGV: number, who
-- Answers ok | unknown | finished | late (a release has begun).
local number, who = unpack(ARGV)
local status, releasing = unpack(call('HMGET', pipeline_key(number), 'status', 'releasing'))
if not status then return 'unknown' end
if final(status) then return 'finished' end
if releasing then return 'late' end
end_unfinished(number, 'canceled', 'canceled by ' .. who)
return 'ok'
