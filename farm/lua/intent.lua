-- The JSON of what a tag shall be; shared by the scripts that answer it.
local function intent_row(image, tag)
  local owner, holder, digest, fence, confirmed = unpack(
    call('HMGET', tag_key(image, tag), 'owner', 'number', 'digest', 'fence', 'confirmed'))
  return object({
    'repository', text(image), 'tag', text(tag), 'digest', text(digest), 'number', holder, 'fence', fence,
    'owner', text(owner), 'confirmed', confirmed == '1' and 'true' or 'false',
  })
end

-- The registry has the digest under the tag: say so on the pipeline whose image it is and in the list of releases.
local function confirm(image, tag)
  local key = tag_key(image, tag)
  local holder, digest, confirmed, who = unpack(call('HMGET', key, 'number', 'digest', 'confirmed', 'who'))
  if confirmed == '1' then return end
  call('HSET', key, 'confirmed', 1)
  call('XADD', 'farm:releases', 'MAXLEN', '~', 10000, '*', 'repository', image, 'tag', tag, 'number', holder,
    'digest', digest, 'who', who or '')
  local released = call('HGET', pipeline_key(holder), 'released')
  if call('EXISTS', pipeline_key(holder)) == 0 then return end
  local tags = released and cjson.decode(released) or {}
  if not has(tags, tag) then
    tags[#tags + 1] = tag
    call('HSET', pipeline_key(holder), 'released', cjson.encode(tags))
  end
end
