#!lua flags=allow-oom
-- NOTE: leave a word that is shown while the step runs.
-- ARGV: number, step, fence, text
-- Answers 1, or 0 when the worker no longer owns the step.
local number, step, fence, word = unpack(ARGV)
if owned(number, step, fence) ~= 'ok' then return 0 end
call('HSET', step_key(number, step), 'note', word)
return 1
