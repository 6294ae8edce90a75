-- One decision over several accounts: all charges are granted, or none.
-- KEYS: an account for each charge. ARGV: the time in microseconds, or '' for the server's; then 8 for each charge: kind, cost,
-- how much is wanted, and the quota:
--   g  burst, units of a token, units paid off in a microsecond
--   w  limit, width of a part, number of parts
--   c  limit, beginnings of the window before, of the present one, and of two that follow
-- Returns whether it is allowed, the time, and for each charge: allowed, granted, remaining, retry after, reset after.
-- If the time lies outside of the windows that were named: -1 and the time.
-- All divisions go through fmod, which is exact, so that the numbers are those of whole-number arithmetic.
local function div(a, b)
    return (a - math.fmod(a, b)) / b
end

local function up(a, b)
    return div(a + b - 1, b)
end

local function text(number)
    return string.format('%.0f', number)
end

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local judges = {}

function judges.g(state, cost, wanted, burst, token, drain)
    local units, at = 0, now
    if state[1] == 'g' and #state == 4 then
        local from
        units, at, from = state[2], state[3], state[4]
        if from ~= token then
            units = div(units, from) * token + math.floor(math.fmod(units, from) / from * token)
        end
        units = math.min(units, burst * token)
        units = math.max(0, units - math.max(0, now - at) * drain)
    end
    local room = burst * token
    local available = div(room - units, token)
    local allowed, granted, retry = cost <= available, 0, 0
    if allowed then
        granted = math.min(wanted, available)
        units = units + granted * token
    else
        retry = up(units + cost * token - room, drain)
    end
    return allowed, granted, div(room - units, token), retry, up(units, drain), at > now,
        'g ' .. text(units) .. ' ' .. text(now) .. ' ' .. text(token)
end

function judges.w(state, cost, wanted, limit, width, count)
    local here, parts, sum, newest = div(now, width), {}, 0, 0
    if state[1] == 'w' and #state % 2 == 0 then
        local old = state[2]
        for i = 3, #state, 2 do
            local part, used = state[i], state[i + 1]
            newest = part * old
            if old ~= width then
                part = div((part + 1) * old - 1, width)
            end
            part = math.min(part, here)
            if part + count >= here then
                local last = parts[#parts]
                if last and last[1] == part then
                    last[2] = last[2] + used
                else
                    parts[#parts + 1] = { part, used }
                end
                sum = sum + used
            end
        end
    end
    local available = math.max(0, limit - sum)
    local allowed, granted, retry = cost <= available, 0, 0
    if allowed then
        granted = math.min(wanted, available)
    else
        local freed = 0
        for _, part in ipairs(parts) do
            freed = freed + part[2]
            retry = (part[1] + count + 1) * width - now
            if math.max(0, limit - (sum - freed)) >= cost then
                break
            end
        end
    end
    local last = parts[#parts]
    if granted > 0 then
        if last and last[1] == here then
            last[2] = last[2] + granted
        else
            last = { here, granted }
            parts[#parts + 1] = last
        end
    end
    local reset = 0
    if last then
        reset = (last[1] + count + 1) * width - now
    end
    local words = { 'w', text(width) }
    for _, part in ipairs(parts) do
        words[#words + 1] = text(part[1])
        words[#words + 1] = text(part[2])
    end
    return allowed, granted, available - granted, retry, reset, newest > now, table.concat(words, ' ')
end

function judges.c(state, cost, wanted, limit, before, present, next, after)
    local start, stop = present, next
    if now < present then
        start, stop = before, present
    elseif now >= next then
        start, stop = next, after
    end
    local used, began = 0, start
    if state[1] == 'c' and #state == 3 then
        began = state[2]
        if began >= start then
            used = state[3]
        end
    end
    local available = math.max(0, limit - used)
    local allowed, granted, retry, reset = cost <= available, 0, 0, 0
    if allowed then
        granted = math.min(wanted, available)
    else
        retry = stop - now
    end
    used = used + granted
    if used > 0 then
        reset = stop - now
    end
    return allowed, granted, available - granted, retry, reset, began > start, 'c ' .. text(start) .. ' ' .. text(used)
end

local stored = redis.call('MGET', unpack(KEYS))
local answer, writes, allowed = { 0, now }, {}, true

local function charge(i, free)
    local from = 1 + (i - 1) * 8
    local numbers = {}
    for j = 2, 8 do
        numbers[j - 1] = tonumber(ARGV[from + j])
    end
    if ARGV[from + 1] == 'c' and (now < numbers[4] or now >= numbers[7]) then
        return nil
    end
    if free then
        numbers[1], numbers[2] = 0, 0
    end
    local state = {}
    for word in string.gmatch(stored[i] or '', '%S+') do
        if #state > 0 then
            word = tonumber(word)
            if not word then
                state = {} -- none of ours
                break
            end
        end
        state[#state + 1] = word
    end
    local ok, granted, remaining, retry, reset, stepped, new = judges[ARGV[from + 1]](state, unpack(numbers))
    local place = 2 + (i - 1) * 5
    answer[place + 1], answer[place + 2], answer[place + 3] = ok and 1 or 0, granted, remaining
    answer[place + 4], answer[place + 5] = retry, reset
    writes[i] = (granted > 0 or stepped) and { new, reset } or nil
    return ok
end

local verdicts = {}
for i = 1, #KEYS do
    verdicts[i] = charge(i, false)
    if verdicts[i] == nil then
        return { -1, now }
    end
    allowed = allowed and verdicts[i]
end
if not allowed then
    for i = 1, #KEYS do
        if verdicts[i] then
            charge(i, true)
        end
    end
end
answer[1] = allowed and 1 or 0
for i = 1, #KEYS do
    local write = writes[i]
    if write then
        -- A second more than it is needed: the server's expiry reads another clock.
        redis.call('SET', KEYS[i], write[1], 'PX', text(up(write[2], 1000) + 1000))
    end
end
return answer
