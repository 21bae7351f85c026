#!lua flags=no-writes
-- IMAGES: what was built and has not been removed from the registry, by the record.
-- Answers a JSON list of {repository, digests: {digest: number of the pipeline}}.
local rows = {}
for _, image in ipairs(call('SMEMBERS', 'farm:images')) do
  local digests = {}
  local raw = call('ZRANGE', images_key(image), 0, -1, 'WITHSCORES')
  for i = 1, #raw, 2 do
    digests[#digests + 1] = raw[i]
    digests[#digests + 1] = raw[i + 1]
  end
  rows[#rows + 1] = object({'repository', text(image), 'digests', object(digests)})
end
return list(rows)
