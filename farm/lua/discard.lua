#!lua flags=allow-oom
-- DISCARD: take images off the record's list, but for those that are wanted; then they may go from the registry.
-- ARGV: image repository, keep (so many of the newest, and of each tag's releases), grace (s, for what may be retried),
-- dry (1: only say which), then digest and number of its pipeline by turns
-- Answers the digests that go. From here on no rollback and no retry counts on them.
local image, keep, grace, dry = unpack(ARGV, 1, 4)
keep, grace = tonumber(keep), tonumber(grace)
local key = images_key(image)
local wanted = {}
local function digest_of(number) return string.match(call('HGET', pipeline_key(number), 'image') or '', '@(%S+)$') end

if keep > 0 then
  for _, digest in ipairs(call('ZREVRANGE', key, 0, keep - 1)) do wanted[digest] = true end
end
for _, entry in ipairs(call('ZRANGE', 'farm:tags', 0, -1)) do
  local name, tag = string.match(entry, '^(%S+) (%S+)$')
  if name == image then
    wanted[call('HGET', tag_key(image, tag), 'digest')] = true
    local seen, count = {}, 0
    for _, row in ipairs(history(image, tag, HISTORY)) do
      if not seen[row.digest] and count < keep then
        seen[row.digest], wanted[row.digest], count = true, true, count + 1
      end
    end
  end
end
for _, due in ipairs(call('ZRANGE', 'farm:deadlines', 0, -1)) do
  local digest = digest_of(string.match(due, '^(%S+)'))
  if digest then wanted[digest] = true end
end

-- It runs, or somebody may want to try it again: it ended badly a short while ago, or is the newest of its ref.
local function needed(number, digest)
  local status, finished, repository, ref = unpack(
    call('HMGET', pipeline_key(number), 'status', 'finished', 'repository', 'ref'))
  if not status then return false end
  if not final(status) then return true end
  if digest_of(number) ~= digest then return false end
  local bad = status == 'failed' or status == 'errored' or status == 'canceled'
  return bad and tonumber(finished) > NOW - grace or call('ZRANGE', ref_key(repository, ref), -1, -1)[1] == number
end

local gone = {}
for i = 5, #ARGV, 2 do
  local digest, number = ARGV[i], ARGV[i + 1]
  if not wanted[digest] and not needed(number, digest) then
    gone[#gone + 1] = digest
    if dry ~= '1' then call('ZREM', key, digest) end
  end
end
return gone
