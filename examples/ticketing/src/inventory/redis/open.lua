-- Puts a staged image into force, as a whole.
-- KEYS: book, states, orders, users, ages, log, then the staged states, orders, users, ages
-- ARGV: run, channel, epoch, seats, limit, locked, sold, entries in the staged orders, users, ages
local run, channel, epoch, seats = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local present = redis.call('HGET', KEYS[1], 'epoch')
-- Epochs may be too large for Lua's numbers: compare them as decimals without leading zeros.
if present and (#present > #epoch or (#present == #epoch and present >= epoch)) then return { 'behind', present } end
if redis.call('STRLEN', KEYS[7]) ~= tonumber(seats) or redis.call('HLEN', KEYS[8]) ~= tonumber(ARGV[8])
  or redis.call('HLEN', KEYS[9]) ~= tonumber(ARGV[9]) or redis.call('ZCARD', KEYS[10]) ~= tonumber(ARGV[10]) then
  return { 'incomplete' }
end

redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
for index = 7, 10 do
  if redis.call('EXISTS', KEYS[index]) == 1 then redis.call('RENAME', KEYS[index], KEYS[index - 5]) end
end
redis.call('HSET', KEYS[1], 'run', run, 'epoch', epoch, 'seats', seats, 'limit', ARGV[5], 'locked', ARGV[6], 'sold',
  ARGV[7], 'sequence', 0, 'hinted', 0)
-- Before every step; it only keeps the key in being.
redis.call('XADD', KEYS[6], '0-1', 's', '')
for index = 1, 6 do
  redis.call('EXPIRE', KEYS[index], index == 1 and 604800 or 608400)
end
redis.call('PUBLISH', channel, 0)
return { 'done' }
