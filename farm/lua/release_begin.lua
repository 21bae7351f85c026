#!lua flags=allow-oom
-- RELEASE_BEGIN: write the intent and the high-water mark, after the rule allowed it for this version of the tag.
-- ARGV: number, step, fence, tag, version of the tag that the decision was made on
-- Answers {ok, JSON intent} | {lost} | {canceled} | {untested} | {changed} (decide again). From here on nobody cancels.
local number, step, fence, tag, version = unpack(ARGV)
local state = owned(number, step, fence)
if state == 'over' then state = 'lost' end
if state ~= 'ok' then return {state} end
local repository, ref, image, built, who, retried_by, began = unpack(call('HMGET', pipeline_key(number),
  'repository', 'ref', 'image_repository', 'image', 'who', 'retried_by', 'began'))
local digest = built and string.match(built, '@(%S+)$')
if not digest then return {'untested'} end
for _, need in ipairs(needs_of(number, step)) do
  if not good(unpack(call('HMGET', step_key(number, need), 'status', 'allowed'))) then return {'untested'} end
end
local key = tag_key(image, tag)
if (call('HGET', key, 'fence') or '') ~= version then return {'changed'} end
call('HSET', key, 'owner', repository .. ' ' .. ref, 'mark', number,
  'position', call('ZSCORE', ref_key(repository, ref), number) or '0')
intend(image, tag, number, digest, fence, 'release', retried_by or who)
call('ZADD', 'farm:tags', stamp(NOW + 1), image .. ' ' .. tag)
call('HSET', pipeline_key(number), 'releasing', 1)
if not has(split(began), tag) then
  call('HSET', pipeline_key(number), 'began', began and (began .. ' ' .. tag) or tag)
end
return {'ok', intent_row(image, tag)}
