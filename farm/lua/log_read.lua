#!lua flags=no-writes
-- LOG_READ: entries of a log behind a line.
-- ARGV: number, step, line, how many entries
-- Answers {1 when the step is over or unknown, lines dropped, entries}.
local number, step, after, count = unpack(ARGV)
local status = call('HGET', step_key(number, step), 'status')
local over = (not status or final(status)) and 1 or 0
local entries = call('XRANGE', log_key(number, step), '(' .. after .. '-0', '+', 'COUNT', count)
return {over, tonumber(call('HGET', log_key(number, step) .. ':meta', 'dropped') or 0), entries}
