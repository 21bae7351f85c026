#!lua flags=no-writes
-- STANDING: what the order rule needs to know about a pipeline and a tag.
-- ARGV: number, tag
-- Answers JSON: image_repository, position of the push in its ref, standing of the tag (see farm.release.Standing).
-- The mark's position is looked up, for late predecessors may have moved it; once the mark is forgotten, all that is
-- still there is newer than the position that it had. A tag whose branch is deleted is free for the others of its
-- repository, whose order knows nothing of that mark.
local number, tag = unpack(ARGV)
local repository, ref, image = unpack(call('HMGET', pipeline_key(number), 'repository', 'ref', 'image_repository'))
local position = repository and call('ZSCORE', ref_key(repository, ref), number) or '0'
local owner, mark, at, holder, digest, fence = unpack(
  call('HMGET', tag_key(image or '', tag), 'owner', 'mark', 'position', 'number', 'digest', 'fence'))
if owner then
  local owning, owning_ref = string.match(owner, '^(%S+) (.+)$')
  at = call('ZSCORE', ref_key(owning, owning_ref), mark) or at
  local tip = call('HGET', 'farm:tips:' .. owning, owning_ref)
  if owning == repository and owning_ref ~= ref and (not tip or string.match(tip, '^0+$')) then
    owner, mark, at = nil, nil, nil
  end
end
return object({
  'image_repository', text(image or ''),
  'position', position,
  'standing', object({
    'owner', text(owner or ''), 'mark', mark or '0', 'position', at or '0', 'number', holder or '0',
    'digest', text(digest or ''), 'version', text(fence or ''),
  }),
})
