#!lua
-- DESCRIBE: write down what the commit says of itself.
-- ARGV: number, subject, author, commit ('' when it is the pushed id), the author's address
-- Answers 1, or 0 when there is no such pipeline.
local number, subject, author, commit, email = unpack(ARGV)
local key = pipeline_key(number)
if call('EXISTS', key) == 0 then return 0 end
call('HSET', key, 'subject', subject, 'author', author, 'email', email)
if commit ~= '' then call('HSET', key, 'commit', commit) end
return 1
