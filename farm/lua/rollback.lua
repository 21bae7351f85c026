#!lua flags=allow-oom
-- ROLLBACK: an intent for an image that was released before; the high-water mark stays where it is.
-- ARGV: image repository, tag, number whose image it is, who, version of the tag that the decision was made on
-- Answers {ok, JSON intent} | {unknown} (tag) | {changed} (decide again) | {same} (the tag is that pipeline's now)
-- | {never} (that pipeline never released this tag) | {gone} (its image was removed from the registry).
local image, tag, number, who, version = unpack(ARGV)
local holder, fence = unpack(call('HMGET', tag_key(image, tag), 'number', 'fence'))
if not holder then return {'unknown'} end
if fence ~= version then return {'changed'} end
if holder == number then return {'same'} end
for _, entry in ipairs(history(image, tag, HISTORY)) do
  if entry.number == number then
    if not call('ZSCORE', images_key(image), entry.digest) then return {'gone'} end
    intend(image, tag, number, entry.digest, next_fence(), 'rollback', who)
    call('ZADD', 'farm:tags', stamp(NOW), image .. ' ' .. tag)
    return {'ok', intent_row(image, tag)}
  end
end
return {'never'}
