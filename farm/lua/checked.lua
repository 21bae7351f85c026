#!lua flags=allow-oom
-- CHECKED: the registry was read and, where it had to be, put right.
-- ARGV: image repository, tag, fence of the intent, seconds until the next look, held (1: it has what the intent says)
-- Answers 1, or 0 when another intent has come since.
local image, tag, fence, again, held = unpack(ARGV)
if call('HGET', tag_key(image, tag), 'fence') ~= fence then return 0 end
if held == '1' then confirm(image, tag) end
call('ZADD', 'farm:tags', stamp(NOW + tonumber(again)), image .. ' ' .. tag)
return 1
