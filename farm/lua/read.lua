#!lua flags=no-writes
-- READ: pipelines as they stand, each in one piece.
-- ARGV: numbers
-- Answers a list, in that order, of {number, fields, {step, fields}, {step, fields}, ...}; unknown numbers are left out.
local answers = {}
for _, number in ipairs(ARGV) do
  local fields = call('HGETALL', pipeline_key(number))
  if #fields > 0 then
    local answer = {number, fields}
    for _, step in ipairs(steps_of(number)) do
      answer[#answer + 1] = {step, call('HGETALL', step_key(number, step))}
    end
    answers[#answers + 1] = answer
  end
end
return answers
