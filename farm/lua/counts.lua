-- What is counted of steps and pipelines as they end; it is put in front of the prelude.
-- farm:counts holds the totals since the farm began, one field each: "steps <queue> <stage> <status>",
-- "wait|run <queue> <stage> <bucket>", "wait_sum|run_sum <queue> <stage>" (s), "pipelines <repository> <status>",
-- "leases_expired", "reruns". farm:load:<queue>:<seconds>:<slot> holds "n", "w<bucket>" and "r<bucket>" of one slot of
-- time; three widths serve the last hour, day and week, and each slot expires behind its span, so it is bounded.
-- Bucket i ends at 2^(i/2) / 16 seconds: 0.06 s to 4.5 h, each 1.4 times as long as the one before; 37 is beyond.
local SPANS = {{60, 3600}, {1800, 86400}, {10800, 604800}}

local function count(field, by) redis.call('HINCRBYFLOAT', 'farm:counts', field, by or 1) end

local function bucket(seconds)
  if seconds <= 0.0625 then return 0 end
  return math.min(math.ceil(2 * math.log(seconds * 16) / math.log(2) - 1e-9), 37)
end

local function count_step(queue, stage, status, wait, run, now)
  local of = queue .. ' ' .. stage
  count('steps ' .. of .. ' ' .. status)
  count('wait ' .. of .. ' ' .. bucket(wait))
  count('run ' .. of .. ' ' .. bucket(run))
  count('wait_sum ' .. of, wait)
  count('run_sum ' .. of, run)
  for _, span in ipairs(SPANS) do
    local key = 'farm:load:' .. queue .. ':' .. span[1] .. ':' .. math.floor(now / span[1])
    redis.call('HINCRBY', key, 'n', 1)
    redis.call('HINCRBY', key, 'w' .. bucket(wait), 1)
    redis.call('HINCRBY', key, 'r' .. bucket(run), 1)
    redis.call('EXPIRE', key, span[2] + 2 * span[1])
  end
end
