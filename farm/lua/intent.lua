-- What a tag shall be, and what it was; shared by the scripts that answer it.
local HISTORY = 100 -- entries that are kept of each tag

local function history_key(image, tag) return 'farm:releases:' .. image .. ':' .. tag end
local function images_key(image) return 'farm:images:' .. image end

local function intent_row(image, tag)
  local owner, mark, holder, digest, fence, confirmed, since, moves = unpack(call('HMGET', tag_key(image, tag),
    'owner', 'mark', 'number', 'digest', 'fence', 'confirmed', 'since', 'moves'))
  return object({
    'repository', text(image), 'tag', text(tag), 'digest', text(digest), 'number', holder, 'fence', fence,
    'owner', text(owner), 'confirmed', confirmed == '1' and 'true' or 'false', 'mark', mark, 'moves', moves,
    'age', stamp(NOW - since),
  })
end

-- Write an intent; it moves the tag unless the digest is there already.
local function intend(image, tag, number, digest, fence, kind, who)
  local key = tag_key(image, tag)
  if call('HGET', key, 'digest') ~= digest then call('HINCRBY', key, 'moves', 1) end
  call('HSET', key, 'number', number, 'digest', digest, 'fence', fence, 'confirmed', 0, 'kind', kind, 'who', who,
    'since', stamp(NOW))
  call('HSET', 'farm:released', call('HGET', key, 'owner'), number)
end

-- The entries of a tag's history, the newest first: {number, digest, who, kind, time}.
local function history(image, tag, most)
  local rows = {}
  -- With a COUNT of 0 Redis answers no list.
  for _, entry in ipairs(call('XREVRANGE', history_key(image, tag), '+', '-', 'COUNT', most) or {}) do
    local row = {time = tonumber(string.match(entry[1], '^(%d+)')) / 1000}
    for i = 1, #entry[2], 2 do row[entry[2][i]] = entry[2][i + 1] end
    rows[#rows + 1] = row
  end
  return rows
end

-- The registry has the digest under the tag: say so on the pipeline whose image it is, in the history of the tag, and to
-- the reporters, with the pipeline whose image the tag was before.
local function confirm(image, tag)
  local key = tag_key(image, tag)
  local holder, digest, confirmed, who, kind = unpack(
    call('HMGET', key, 'number', 'digest', 'confirmed', 'who', 'kind'))
  call('HDEL', key, 'lost')
  if confirmed == '1' then return end
  call('HSET', key, 'confirmed', 1)
  local before = history(image, tag, 1)[1]
  call('XADD', history_key(image, tag), 'MAXLEN', HISTORY, '*', 'number', holder, 'digest', digest, 'who', who,
    'kind', kind)
  tell(holder, kind == 'rollback' and 'rolledback' or 'released', '', 'passed', {'image', image, 'tag', tag,
    'digest', digest, 'who', who or '', 'before', before and before.number or ''})
  local released = call('HGET', pipeline_key(holder), 'released')
  if call('EXISTS', pipeline_key(holder)) == 0 then return end
  local tags = released and cjson.decode(released) or {}
  if not has(tags, tag) then
    tags[#tags + 1] = tag
    call('HSET', pipeline_key(holder), 'released', cjson.encode(tags))
  end
end
