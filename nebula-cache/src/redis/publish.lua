-- Appends a batch to the log and announces it.
-- ARGV: channel, epoch if there is none, mark, node, items, batches to keep, versions to keep, then the hashes of tags
-- and caches among the items. Returns epoch and sequence.
local epoch, sequence, before = head(ARGV[2])
local at = string.format('%.0f', tonumber(sequence) + 1)
redis.call('HSET', KEYS[1], 'sequence', at, 'mark', ARGV[3])
local message = table.concat({ '1', epoch, at, before, ARGV[3], ARGV[4], now(), ARGV[5] }, ' ')
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], at .. '-0', 'mark', ARGV[3], 'message', message)
if redis.call('HEXISTS', KEYS[3], 'floor') == 0 or redis.call('HLEN', KEYS[3]) > tonumber(ARGV[7]) then
    -- What is forgotten counts as invalidated now.
    redis.call('DEL', KEYS[3])
    redis.call('HSET', KEYS[3], 'floor', at)
end
for i = 8, #ARGV do
    redis.call('HSET', KEYS[3], ARGV[i], at)
end
redis.call('PUBLISH', ARGV[1], message)
return { epoch, at }
