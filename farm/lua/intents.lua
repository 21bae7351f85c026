#!lua flags=no-writes
-- INTENTS: what the tags shall be.
-- ARGV: due (1: only those whose registry is to be read by now)
-- Answers a JSON list of intents, the longest due first.
local rows = {}
local upto = ARGV[1] == '1' and stamp(NOW) or '+inf'
for _, entry in ipairs(call('ZRANGEBYSCORE', 'farm:tags', '-inf', upto)) do
  local image, tag = string.match(entry, '^(%S+) (%S+)$')
  rows[#rows + 1] = intent_row(image, tag)
end
return list(rows)
