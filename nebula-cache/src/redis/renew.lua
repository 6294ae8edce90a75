-- Prolongs a lease if the loader has it. KEYS: lease. ARGV: loader, lease in ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
