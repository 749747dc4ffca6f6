-- Inspect: hashes of one user, as they are, for somebody who looks.
--
-- KEYS      hashes that share a hash tag
-- ARGV      how many fields of each are told at most
-- RETURNS   now (epoch ms), then for each key: how many fields follow, and
--           these, each with its value
--
-- A key that is no hash, or has more fields than that, tells none.

local most = tonumber(ARGV[1])
local time = redis.call('TIME')
local reply = { tonumber(time[1]) * 1000
                + math.floor(tonumber(time[2]) / 1000) }

for _, key in ipairs(KEYS) do
    local n = redis.pcall('HLEN', key)
    local fields = {}

    if type(n) == 'number' and n <= most then
        fields = redis.call('HGETALL', key)
    end

    reply[#reply + 1] = #fields / 2

    for _, text in ipairs(fields) do
        reply[#reply + 1] = text
    end
end

return reply
