-- Usage of projects: the days of projects, by user.  This text stands behind
-- usage.lua.
--
-- KEYS      behind the node's: a hash for each project
-- ARGV      behind what usage.lua has, for each row 6: which of the hashes,
--           the user, bytes, requests, documents that are new, and 1 if it
--           may begin a hash; 0: only one that somebody has begun
-- RETURNS   for each hash 3: its total bytes, those of its largest user, and
--           the total bytes of its month

local ends, rows = tonumber(ARGV[2]), tonumber(ARGV[3])

local function largest(key)
    local had = try('HMGET', key, '#largest')

    return math.min(tonumber((had and had[1] or ''):match('^%d+') or 0),
                    LARGEST)
end

if begin(tonumber(ARGV[1])) then

    for row = 1, rows do
        local i = 3 + 6 * (row - 1)
        local key, user = KEYS[1 + tonumber(ARGV[i + 1])], ARGV[i + 2]

        if ARGV[i + 6] == '1' or (try('HLEN', key) or 0) > 0 then
            local bytes, own = add(key, user, MOST.users,
                                   tonumber(ARGV[i + 3]),
                                   tonumber(ARGV[i + 4]),
                                   tonumber(ARGV[i + 5]))

            local sum, named = add(month(key), user, MOST.users,
                                   tonumber(ARGV[i + 3]),
                                   tonumber(ARGV[i + 4]),
                                   tonumber(ARGV[i + 5]))

            try('ZADD', month(key) .. ':top', text(sum),
                named == 1 and user or '#others')

            if own == 1 and bytes > largest(key) then
                try('HSET', key, '#largest', text(bytes) .. ' ' .. user)
            end
        end
    end

    for i = 2, #KEYS do
        expire(KEYS[i], ends)
        expire(month(KEYS[i]), ends)
        expire(month(KEYS[i]) .. ':top', ends)
    end
end

local reply = { now_ms, '' }

for i = 2, #KEYS do
    reply[#reply + 1] = total(KEYS[i])
    reply[#reply + 1] = largest(KEYS[i])
    reply[#reply + 1] = total(month(KEYS[i]))
end

reply[2] = failure

return reply
