#!lua flags=no-writes
-- RELEASES: what tags are and were.
-- ARGV: repository (of git or of the image, '' for all), tag ('' for all), entries of history at most
-- Answers a JSON list of {intent, who, kind, history: [{number, digest, who, kind, time}, newest first]}.
local repository, tag, most = unpack(ARGV)
local rows = {}
for _, entry in ipairs(call('ZRANGE', 'farm:tags', 0, -1)) do
  local image, name = string.match(entry, '^(%S+) (%S+)$')
  local owner, who, kind = unpack(call('HMGET', tag_key(image, name), 'owner', 'who', 'kind'))
  local named = repository == '' or repository == image or repository == string.match(owner, '^(%S+)')
  if named and (tag == '' or tag == name) then
    local entries = {}
    for _, row in ipairs(history(image, name, most)) do
      entries[#entries + 1] = object({'number', row.number, 'digest', text(row.digest), 'who', text(row.who),
        'kind', text(row.kind), 'time', precise(row.time)})
    end
    rows[#rows + 1] = object({
      'intent', intent_row(image, name), 'who', text(who), 'kind', text(kind), 'history', list(entries)})
  end
end
return list(rows)
