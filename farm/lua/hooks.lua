-- Whose hook has which token; shared by the scripts that change or ask it. A farm of before has no such index yet.
local HOOKS = 'farm:hooks' -- hash of the token -> repository

local function hooks()
  if call('EXISTS', HOOKS) == 0 then
    call('HSET', HOOKS, '', '') -- it is there, also without a hook
    for _, repository in ipairs(call('SMEMBERS', 'farm:repositories')) do
      local kept = call('HGET', 'farm:repository:' .. repository, 'token_hash') or ''
      if kept ~= '' then call('HSET', HOOKS, kept, repository) end
    end
  end
  return HOOKS
end
