#!lua flags=allow-oom
-- RELEASE_DONE: the worker has put the manifest.
-- ARGV: number, step, fence, tag
-- Answers ok | overtaken (another intent has come since) | lost | canceled.
local number, step, fence, tag = unpack(ARGV)
local state = owned(number, step, fence)
if state == 'over' then state = 'lost' end
local image = call('HGET', pipeline_key(number), 'image_repository')
local standing = image and call('HGET', tag_key(image, tag), 'fence')
if standing and (state ~= 'ok' or standing ~= fence) then
  call('ZADD', 'farm:tags', stamp(NOW), image .. ' ' .. tag) -- it may have put its manifest over a newer one
end
if state ~= 'ok' then return state end
if standing ~= fence then return 'overtaken' end
confirm(image, tag)
return 'ok'
