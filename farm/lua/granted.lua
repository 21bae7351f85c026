#!lua flags=no-writes
-- GRANTED: whose artifacts may be sent with a grant, as long as that worker owns its step.
-- ARGV: hash of the word
-- Answers {number, step, fence}, or nothing.
local sent = call('GET', 'farm:grant:' .. ARGV[1])
if not sent then return {} end
local number, fence, step = string.match(sent, '^(%d+) (%d+) (.+)$')
if owned(number, step, fence) ~= 'ok' then return {} end
return {number, step, fence}
