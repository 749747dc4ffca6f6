-- Confirm: an administrator says that a country is usual for a user, or has
-- something of him forgotten.  This text stands behind epoch.lua.
--
-- KEYS      a hash of his, of familiar.lua or journey.lua; the epoch
-- ARGV      "always", to write that into fields; "forget" for dropping them;
--           and their names
-- RETURNS   how many of them are other than they were
--
-- All nodes look again after it, also if nothing is other: one of them may
-- know what this server has lost.

local key, what = KEYS[1], ARGV[1]

-- familiar.lua does the same when he comes: such a country stays for ever.  Who
-- was never seen is learned from now on, and not for ever.

local DAY, CENTURY = 86400, 36525
local today = math.floor(now / DAY)

local was = redis.call('HMGET', key, unpack(ARGV, 2))
local changed = 0

for i = 1, #was do
    local field = ARGV[i + 1]

    if what == 'forget' then
        changed = changed + redis.call('HDEL', key, field)

    elseif was[i] ~= what then
        redis.call('HSET', key, field, what)
        changed = changed + 1
    end
end

if what ~= 'forget' then
    if not redis.call('HMGET', key, 'since')[1] then
        redis.call('HSET', key, 'since', text(today))
    end

    redis.call('EXPIREAT', key, text((today + CENTURY) * DAY))
end

for _, home in ipairs(homes) do
    redis.call('HSET', home.key, 'marks', text((epoch.marks + 1) % 2 ^ 31))
end

return { changed }
