#!lua
-- LOG_PACK: replace the entries of a finished log by fewer.
-- ARGV: number, step, last line that was packed, then first, last, size, marks, data of each entry
-- Answers 1, or 0 when the step goes on, or has said more meanwhile.
local number, step, last = unpack(ARGV, 1, 3)
local OVERHEAD = 200
local key, meta = log_key(number, step), log_key(number, step) .. ':meta'
local status = call('HGET', step_key(number, step), 'status')
if not status or not final(status) then return 0 end
local newest = call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
if not newest or newest[1] ~= last .. '-0' then return 0 end
call('DEL', key)
local stored = 0
for i = 4, #ARGV, 5 do
  local first, to, size, marks, data = unpack(ARGV, i, i + 4)
  call('XADD', key, to .. '-0', 'f', first, 's', size, 't', marks, 'z', data)
  stored = stored + #data + OVERHEAD
end
call('INCRBY', 'farm:logs:bytes', stored - tonumber(call('HGET', meta, 'stored') or 0))
call('HSET', meta, 'stored', stored)
return 1
