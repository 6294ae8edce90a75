-- Sets the bits of `count` hashes, whose places are the arguments from number `first` on, in `key`. Returns how many hashes were new.
local function set_bits(key, count, first, places)
    local new = 0
    for item = 0, count - 1 do
        local call = {}
        for i = 0, places - 1 do
            local n = #call
            call[n + 1], call[n + 2], call[n + 3], call[n + 4] = 'SET', 'u1', ARGV[first + item * places + i], '1'
        end
        for _, was in ipairs(redis.call('BITFIELD', key, unpack(call))) do
            if was == 0 then
                new = new + 1
                break
            end
        end
    end
    return new
end

