#!lua
-- NOTE: leave a line on a pipeline that has nothing to do with how it stands. The same line is left once.
-- ARGV: number, line, how many lines there may be at most
-- Answers 1, or 0 when there is no such pipeline, the line is there, or there is no more room.
local number, line, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local key = pipeline_key(number)
if call('EXISTS', key) == 0 then return 0 end
local notes = {}
for _, other in ipairs(cjson.decode(call('HGET', key, 'notes') or '[]')) do
  if other == line then return 0 end
  notes[#notes + 1] = text(other)
end
if #notes >= most then return 0 end
notes[#notes + 1] = text(line)
call('HSET', key, 'notes', list(notes))
return 1
