-- The state of a filter and what was inserted after a place.
-- KEYS: state (hash), log (stream). ARGV: sequence and mark of the place, empty for none; how many insertions at most.
-- Returns current, next (id, bits, hashes, capacity, items; empty for none), sequence, mark, then 1 and the insertions,
-- or 0 if they are not remembered, or -1 if some that were accepted are lost.
local at = redis.call('HMGET', KEYS[1], 'current', 'current-bits', 'current-hashes', 'current-capacity', 'current-items',
    'next', 'next-bits', 'next-hashes', 'next-capacity', 'next-items', 'sequence', 'mark')
for i = 1, 12 do
    at[i] = at[i] or ''
end
local sequence, mark = at[11], at[12]
if sequence == '' then
    sequence, mark, at[11], at[12] = '0', '0', '0', '0'
end
local answer = { 0 }
if ARGV[1] ~= '' then
    local lost = tonumber(ARGV[1]) > tonumber(sequence) or (ARGV[1] == sequence and ARGV[2] ~= mark)
    if ARGV[1] == sequence and not lost then
        answer = { 1 }
    elseif not lost then
        local limit = tonumber(ARGV[3])
        local entries = redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', '+', 'COUNT', limit + 1)
        local first = 1
        if entries[1] and entries[1][1] == ARGV[1] .. '-0' then
            first = 2
            lost = entries[1][2][2] ~= ARGV[2]
        end
        local follows = string.format('%.0f', tonumber(ARGV[1]) + 1) .. '-0'
        if entries[first] and entries[first][1] == follows and entries[#entries][1] == sequence .. '-0' then
            answer = { 1 }
            for i = first, #entries do
                answer[#answer + 1] = entries[i][2][4]
            end
        end
    end
    if lost then
        redis.call('HDEL', KEYS[1], 'current')
        at[1] = ''
        answer = { -1 }
    end
end
for i = 1, #answer do
    at[12 + i] = answer[i]
end
return at
