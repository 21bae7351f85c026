#!lua flags=allow-oom
-- HOOK: may a hook behind a release run, and that it has: once for each pipeline and image.
-- ARGV: number, step, fence, done (1: it has run), then the tags that the pipeline released
-- Answers ok | ran (it has, for this very image) | moved (another release has every tag by now) | lost | canceled.
local number, step, fence, done = unpack(ARGV, 1, 4)
local state = owned(number, step, fence)
if state == 'over' then state = 'lost' end
if state ~= 'ok' then return state end
local key = pipeline_key(number)
local image, built = unpack(call('HMGET', key, 'image_repository', 'image'))
local field, digest = 'hook ' .. step, string.match(built or '', '@(%S+)$') or ''
if done == '1' then
  call('HSET', key, field, digest)
  return 'ok'
end
if call('HGET', key, field) == digest then return 'ran' end
for i = 5, #ARGV do
  if call('HGET', tag_key(image, ARGV[i]), 'number') == number then return 'ok' end
end
return 'moved'
