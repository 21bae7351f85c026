#!lua
-- GRANT: let the worker that owns a step send its artifacts; what it sends is known from now on until it expires.
-- ARGV: number, step, fence, hash of a word that only it knows, seconds to keep, seconds that the grant holds
-- Answers {ok, time at which they expire} | {lost} | {canceled}.
local number, step, fence, hash, keep, seconds = unpack(ARGV)
local state = owned(number, step, fence)
if state == 'over' then state = 'lost' end
if state ~= 'ok' then return {state} end
local sent, expires = number .. ' ' .. fence .. ' ' .. step, NOW + tonumber(keep)
call('SET', 'farm:grant:' .. hash, sent, 'EX', seconds)
call('ZADD', 'farm:artifacts', stamp(expires), sent)
return {'ok', stamp(expires)}
