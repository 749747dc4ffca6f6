-- Journey: tells where a user was last, and writes down where he is, if he
-- comes from there.  Of two gateways that ask at once, the second is told what
-- the first wrote.  This text stands behind epoch.lua.
--
-- KEYS      his last visit, one hash; the epoch
--   number      another one each time that it is written
--   at          when, ms since 1970
--   place       latitude, longitude, km around it, country: "35.6895 139.6917
--               20 JP", "?" for an unknown one
-- ARGV      number of the visit he comes from, 0 if there was none, or another
--           for a look; seconds to keep it; where he is; and what the node
--           knows: by which epoch, number, ms ago, where
-- RETURNS   id of the epoch, ms until it opens, its marks; of the last visit:
--           number, 0 if there is none, ms ago, where
--
-- A place is four numbers, as gate_spot_t has it: latitude, longitude, radius,
-- and its country's letters as a number of two bytes.

local key, from, keep = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

-- GATE_SPOT_LATITUDE and so on, GATE_LIMIT_MAX

local LATITUDE, LONGITUDE, RADIUS, LIMIT = 1800000, 3600000, 20016, 2 ^ 52

local function place(i)
    return { tonumber(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]),
             tonumber(ARGV[i + 3]) }
end

local here = place(3)
local stated = { epoch = ARGV[7], number = tonumber(ARGV[8]),
                 ago = tonumber(ARGV[9]), place = place(10) }

local function write(number, at, where)
    local country = '?'

    if where[4] > 0 then
        country = string.char(math.floor(where[4] / 256), where[4] % 256)
    end

    redis.call('HSET', key, 'number', text(number), 'at', text(at), 'place',
               string.format('%.4f %.4f %.0f %s', where[1] / 10000 - 90,
                             where[2] / 10000 - 180, where[3], country))
    redis.call('EXPIREAT', key, text(now + keep))

    return { number = number, at = at, place = where }
end

-- whole, and within bounds; anybody may have written it

local function whole(value, begin, scale, most)
    local n = tonumber(value)

    n = n and math.floor((n + begin) * scale + 0.5)

    return n and n >= 0 and n <= most and n
end

local function read()
    local hash = redis.call('HMGET', key, 'number', 'at', 'place')
    local latitude, longitude, radius, country =
        (hash[3] or ''):match('^(%S+) (%S+) (%S+) (%S+)$')

    local number = whole(hash[1], 0, 1, LIMIT - 2)
    local at = whole(hash[2], 0, 1, LIMIT)
    local where = { whole(latitude, 90, 10000, LATITUDE),
                    whole(longitude, 180, 10000, LONGITUDE),
                    whole(radius, 0, 1, RADIUS), 0 }

    if not (number and number > 0 and at and where[1] and where[2]
            and where[3])
    then
        return nil
    end

    if country:match('^%u%u$') then
        where[4] = country:byte(1) * 256 + country:byte(2)
    end

    return { number = number, at = at, place = where }
end

local last = read()

-- this Redis forgot what the node was told

if not last and stated.number > 0 and stated.epoch ~= '0'
   and stated.epoch ~= text(epoch.id)
then
    last = write(stated.number, now_ms - stated.ago, stated.place)
end

if from == (last and last.number or 0) then
    last = write(math.max(now_ms, from + 1), now_ms, here)
end

last = last or { number = 0, at = now_ms, place = { 0, 0, 0, 0 } }

-- a clock that was set back makes no time pass

return { epoch.id, closed(), epoch.marks, last.number,
         math.max(now_ms - last.at, 0), last.place[1], last.place[2],
         last.place[3], last.place[4] }
