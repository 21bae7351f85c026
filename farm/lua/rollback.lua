#!lua flags=allow-oom
-- ROLLBACK: an intent for an image that was released before; the high-water mark stays where it is.
-- ARGV: image repository, tag, number whose image it is, who
-- Answers {ok, JSON intent} | {unknown} (tag) | {never} (that pipeline never released this tag).
local image, tag, number, who = unpack(ARGV)
local key = tag_key(image, tag)
if call('EXISTS', key) == 0 then return {'unknown'} end
local released, built, repository = unpack(
  call('HMGET', pipeline_key(number), 'released', 'image', 'image_repository'))
if repository ~= image or not released or not has(cjson.decode(released), tag) then return {'never'} end
call('HSET', key, 'number', number, 'digest', string.match(built, '@(%S+)$'), 'fence', call('INCR', 'farm:fence'),
  'confirmed', 0, 'who', who, 'since', stamp(NOW))
call('ZADD', 'farm:tags', stamp(NOW), image .. ' ' .. tag)
return {'ok', intent_row(image, tag)}
