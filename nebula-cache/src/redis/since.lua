-- What was published after a place.
-- ARGV: epoch if there is none, how many batches at most, and the place: epoch, sequence, mark; without one only the end.
-- Returns epoch, sequence and mark of the end, the time in ms, 1 if all that was missed is known, and the messages.
local epoch, sequence, mark = head(ARGV[1])
if ARGV[3] ~= epoch then
    return { epoch, sequence, mark, now(), 0 }
end
if ARGV[4] == sequence and ARGV[5] == mark then
    return { epoch, sequence, mark, now(), 1 }
end
local lost = tonumber(ARGV[4]) >= tonumber(sequence)
local answer = { epoch, sequence, mark, now(), 1 }
if not lost then
    local limit = tonumber(ARGV[2])
    local entries = redis.call('XRANGE', KEYS[2], ARGV[4] .. '-0', '+', 'COUNT', limit + 1)
    local first = 1
    if ARGV[4] ~= '0' then
        first = 2
        local known = entries[1] and entries[1][1] == ARGV[4] .. '-0'
        lost = known and entries[1][2][2] ~= ARGV[5]
        if not known then
            answer[5] = 0
        end
    end
    for i = first, #entries do
        answer[#answer + 1] = entries[i][2][4]
    end
    local follows = string.format('%.0f', tonumber(ARGV[4]) + 1) .. '-0'
    local complete = entries[first] and entries[first][1] == follows and entries[#entries][1] == sequence .. '-0'
    if answer[5] == 0 or not complete then
        answer = { epoch, sequence, mark, now(), 0 }
    end
end
if lost then
    -- The log has lost its end and grown again: nothing that was stamped with this epoch can be believed.
    epoch, sequence, mark = create(ARGV[1])
    return { epoch, sequence, mark, now(), 0 }
end
return answer
