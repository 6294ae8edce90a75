-- Ends the epoch when a server has become a master with another's data: a replica that was promoted, or a master that came back from
-- a file. What either had not heard of is lost, so nothing of before can be believed.
-- ARGV: epoch to begin then, and for each master its replication id and the one that it had before (zeros if none).
-- Returns 1 if the epoch has ended.
local text = redis.call('HGET', KEYS[1], 'masters') or ''
local known, count, news, promoted = {}, 0, {}, false
for id in string.gmatch(text, '%x+') do
    known[id] = true
    count = count + 1
end
for i = 2, #ARGV, 2 do
    if not known[ARGV[i]] then
        known[ARGV[i]] = true
        news[#news + 1] = ARGV[i]
        promoted = promoted or (count > 0 and string.find(ARGV[i + 1], '[^0]') ~= nil)
    end
end
if #news == 0 then
    return 0
end
-- Those that are masters no more stay known, the oldest of very many excepted: nodes do not see changes at the same time.
local kept = math.max(500, 4 * #ARGV) * 41
redis.call('HSET', KEYS[1], 'masters', string.sub(table.concat(news, ' ') .. ' ' .. text, 1, kept))
if promoted then
    create(ARGV[1])
    return 1
end
return 0
