#!lua flags=allow-oom
-- RESTORE: the registry would not let an image go; it is on the record's list again.
-- ARGV: image repository, digest, number of its pipeline
-- Answers nothing.
local image, digest, number = unpack(ARGV)
call('ZADD', images_key(image), number, digest)
