-- Familiar: tells on which days a user was in a country, and writes down that
-- he is there today.  This text stands behind epoch.lua.
--
-- KEYS      his countries, one hash; the epoch
--   since       the first day that he was seen, since 1970
--   <country>   the days that he was there, latest first: "20780,20779"; or
--               "always", which is what an administrator writes
-- ARGV      country, how many days make one usual, days that are remembered,
--           1 if he is there today; and what the node knows of him, as
--           gate_familiar.h has it: by which epoch, since, day
-- RETURNS   id of the epoch, ms until it opens, its marks, today, ms left of
--           it, since, day, best, 1 if it is written that he is there today
--
-- Days are those of Redis' clock, in UTC.  A user who was not seen for as long
-- as days are remembered is forgotten.

local key, country = KEYS[1], ARGV[1]
local want, remember = tonumber(ARGV[2]), tonumber(ARGV[3])
local here = ARGV[4] == '1'

local stated = { epoch = ARGV[5], since = tonumber(ARGV[6]),
                 day = tonumber(ARGV[7]) }

local DAY, CENTURY = 86400, 36525

-- GATE_FAMILIAR_ALWAYS, GATE_FAMILIAR_DAYS

local ALWAYS, MOST = 65535, 31

local today = math.floor(now / DAY)
local since, countries, changed = 0, {}, {}

local fields = redis.call('HGETALL', key)

for i = 1, #fields, 2 do
    local days = { always = fields[i + 1] == 'always' }

    for day in fields[i + 1]:gmatch('%d+') do
        days[#days + 1] = math.min(tonumber(day), ALWAYS - 1)
    end

    if fields[i] == 'since' then
        since = days[1] or 0

    else
        table.sort(days, function (a, b) return a > b end)
        countries[fields[i]] = days
    end
end

local function usual(days)
    return days and (days.always and ALWAYS or days[want]) or 0
end

local function set(name, days)
    countries[name] = days
    changed[name] = days.always and 'always' or table.concat(days, ',')
end

-- this Redis forgot what the node was told

local function heal()
    if stated.since > 0 and (since == 0 or stated.since < since) then
        since = stated.since
        changed.since = text(since)
    end

    if stated.day == ALWAYS then
        set(country, { always = true })

    elseif stated.day > usual(countries[country]) then
        local days = {}

        for day = stated.day + want - 1, stated.day, -1 do
            days[#days + 1] = day
        end

        set(country, days)
    end
end

local function visit()
    local days = countries[country] or {}

    if since == 0 then
        since = today
        changed.since = text(since)
    end

    if days.always or (days[1] or 0) >= today then
        return
    end

    table.insert(days, 1, today)
    days[MOST + 1] = nil

    set(country, days)
end

-- drops days that are too old; true: there is nothing that stays for ever

local function sweep()
    local gone, mortal = {}, true

    for name, days in pairs(countries) do
        local n = #days

        while n > 0 and days[n] + remember <= today do
            days[n] = nil
            n = n - 1
        end

        if days.always then
            mortal = false

        elseif n == 0 then
            gone[#gone + 1] = name
        end
    end

    if #gone > 0 then
        redis.call('HDEL', key, unpack(gone))
    end

    return mortal
end

if stated.epoch ~= '0' and stated.epoch ~= text(epoch.id) then
    heal()
end

if here then
    visit()
end

if next(changed) then
    local write = {}

    for field, value in pairs(changed) do
        write[#write + 1] = field
        write[#write + 1] = value
    end

    redis.call('HSET', key, unpack(write))
end

if here or next(changed) then
    local days = sweep() and remember + 1 or CENTURY

    redis.call('EXPIREAT', key, text((today + days) * DAY))
end

local best, days = 0, countries[country] or {}

for _, other in pairs(countries) do
    best = math.max(best, usual(other))
end

return { epoch.id, closed(), epoch.marks, today,
         (today + 1) * DAY * 1000 - now_ms, since, usual(days), best,
         (days.always or (days[1] or 0) >= today) and 1 or 0 }
