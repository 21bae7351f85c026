#!lua flags=allow-oom
-- DRIFTED: the registry had something else under a tag than the record says; reporters hear of it.
-- ARGV: image repository, tag, fence of the intent, what is to be said, lost (1: the image itself is gone from there)
-- Answers 1, or 0 when another intent has come since or the loss was told already.
local image, tag, fence, detail, lost = unpack(ARGV)
local key = tag_key(image, tag)
local number, newest = unpack(call('HMGET', key, 'number', 'fence'))
if newest ~= fence then return 0 end
if lost == '1' then
  if call('HSETNX', key, 'lost', stamp(NOW)) == 0 then return 0 end
  call('ZREM', images_key(image), call('HGET', key, 'digest')) -- a retry has to build it again
end
tell(number, 'drift', '', lost == '1' and 'errored' or 'passed',
  {'detail', detail, 'image', image, 'tag', tag, 'digest', call('HGET', key, 'digest')})
return 1
