-- RELEASE_DONE: the worker has put the manifest.
-- ARGV: number, step, fence, tag
-- Answers ok | overtaken (another intent has come since) | lost | canceled.
local number, step, fence, tag = unpack(ARGV)
local state = owned(number, step, fence)
if state == 'over' then state = 'lost' end
if state ~= 'ok' then return state end
local image = call('HGET', pipeline_key(number), 'image_repository')
if call('HGET', tag_key(image, tag), 'fence') ~= fence then return 'overtaken' end
confirm(image, tag)
return 'ok'
