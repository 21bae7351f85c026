#!lua flags=allow-oom
-- CHECKED: the registry was read, or put right, and holds what the intent says.
-- ARGV: image repository, tag, fence of the intent, seconds until the next look
-- Answers 1, or 0 when another intent has come since.
local image, tag, fence, again = unpack(ARGV)
if call('HGET', tag_key(image, tag), 'fence') ~= fence then return 0 end
confirm(image, tag)
call('ZADD', 'farm:tags', stamp(NOW + tonumber(again)), image .. ' ' .. tag)
return 1
