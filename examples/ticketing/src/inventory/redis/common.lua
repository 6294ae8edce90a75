-- Shared by the scripts of the seat ledger; it stands before each of them.
--
-- A session's keys, all with the hash tag {session}:
--   book    hash    run (the server process that the image was loaded into), epoch, seats, limit, locked, sold,
--                   sequence (number of the last step), hinted (when the last hint went out, ms)
--   states  string  one letter a seat, by position: A, L or S
--   orders  hash    order -> letter, user, positions: "L<36 characters>12,13"; '' -> '' keeps the key in being
--   users   hash    user -> seats held or owned; '' -> 0
--   ages    zset    orders that hold unsold seats, by the server's time (ms) of the last hold
--   log     stream  <sequence>-0 -> s = letter and positions of one step: "L12,13"; holds of one call are one step
-- A seat that is not A stands in exactly one order's positions, and that order has its letter.

-- The image was loaded into this very server process, not into one that it was restored from, and is whole: a server
-- that is short of memory may have thrown a key away.
local function is_loaded(keys, run)
  return redis.call('HGET', keys[1], 'run') == run and redis.call('EXISTS', keys[2], keys[3], keys[4]) == 3
end

local function whole(number)
  return string.format('%.0f', number)
end

-- Server time in milliseconds.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Splits an order's entry: letter, user, positions as text, positions as a list.
local function parse(entry)
  local positions = string.sub(entry, 38)
  local list = {}
  for position in string.gmatch(positions, '%d+') do
    list[#list + 1] = position
  end
  return string.sub(entry, 1, 1), string.sub(entry, 2, 37), positions, list
end

-- Ends a step of one seat or more, `list` in ascending order: new letters, new counts, the entry in the log, and a hint unless one went out a moment ago.
-- keys = book, states, orders, users, ages, log
local function record(keys, step)
  -- Neighbours are written together.
  local from, to
  for _, position in ipairs(step.list) do
    position = tonumber(position)
    if from and position ~= to + 1 then
      redis.call('SETRANGE', keys[2], from, string.rep(step.letter, to - from + 1))
      from = nil
    end
    from, to = from or position, position
  end
  redis.call('SETRANGE', keys[2], from, string.rep(step.letter, to - from + 1))
  local book = redis.call('HMGET', keys[1], 'locked', 'sold', 'sequence', 'hinted')
  local sequence = whole(tonumber(book[3]) + 1)
  redis.call('XADD', keys[6], 'MAXLEN', '~', step.log, sequence .. '-0', 's', step.letter .. step.positions)
  local hinted = tonumber(book[4])
  if math.abs(step.now - hinted) >= tonumber(step.pause) then
    hinted = step.now
    redis.call('PUBLISH', step.channel, sequence)
    -- A session that nothing happens to any more goes away. The book goes first: without it nothing is trusted.
    for index, key in ipairs(keys) do
      redis.call('EXPIRE', key, index == 1 and 604800 or 608400)
    end
  end
  redis.call('HSET', keys[1], 'locked', whole(tonumber(book[1]) + step.locked), 'sold',
    whole(tonumber(book[2]) + step.sold), 'sequence', sequence, 'hinted', whole(hinted))
end
