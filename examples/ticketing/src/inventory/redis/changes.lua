-- The steps after a cursor: counts first, then a text for each step.
-- ARGV: run, epoch, sequence, steps at most
if not is_loaded(KEYS, ARGV[1]) then return { 'reset' } end
local book = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'seats', 'locked', 'sold')
if book[1] ~= ARGV[2] then return { 'reset' } end
local answer = { 'since', book[2], book[3], book[4], book[5] }
local after, last = tonumber(ARGV[3]), tonumber(book[2])
if after == last then return answer end
if after > last then return { 'reset' } end

local first = whole(after + 1) .. '-0'
local entries = redis.call('XRANGE', KEYS[6], first, '+', 'COUNT', ARGV[4])
-- Trimmed away, or thrown away for lack of memory.
if #entries == 0 or entries[1][1] ~= first then return { 'reset' } end
for index, entry in ipairs(entries) do
  answer[index + 5] = entry[2][2]
end
return answer
