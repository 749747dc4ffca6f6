-- Holds: whom an administrator has stopped, or slowed.
--
-- Each field of the hash is one hold: its name is the id, its value what
-- gate_held.h tells.  The field "version" is another number after each change,
-- a larger one as long as Redis forgets nothing.  A node that finds a smaller
-- one, or another epoch, first tells the holds it knows, then loads; of two
-- that have the same id the later one stands.
--
-- KEYS[1]   the hash
-- ARGV[1]   what is to be done, and then its arguments:
--   load  from which hold on, 0 or what the last reply said
--   tell  the version that the node knows; id and value of holds
--   set   id, value, how many holds there may be, bytes they may take; and 1
--         if it is set only when there is one of that id
-- RETURNS   the epoch's id, ms until it opens, the version, ms since 1970; and
--   load  fields that are no holds, where to go on or 0; id, value of holds
--   tell  how many of them were news
--   set   1; or 0: there is no room; or 2: there is no such hold

local HASH, OP = KEYS[1], ARGV[1]

-- fields that are looked at; holds and bytes in one reply; bytes of one hold

local FIELDS, PAGE, BYTES = 4096, 200, 65536
local ID, VALUE = 64, 1024

if redis.call('HLEN', HASH) > FIELDS then
    return redis.error_reply('TOOMANY fields in ' .. HASH)
end

local holds, ids, bad, version = {}, {}, 0, 0
local fields = redis.call('HGETALL', HASH)

for i = 1, #fields, 2 do
    local id, value = fields[i], fields[i + 1]

    if id == 'version' then
        version = tonumber(value) or 0

        if not (version >= 0 and version < 2 ^ 52) then
            version = 0
        end

    elseif #id > ID or #value > VALUE then
        bad = bad + 1

    else
        holds[id] = value
        ids[#ids + 1] = id
    end
end

version = math.floor(version)
table.sort(ids)

local function reply(...)
    return { epoch.id, closed(), version, now_ms, ... }
end

-- a number of a hold; its reason, the last word, may say anything

local function head(value)
    return ((' ' .. value .. ' '):gsub(' reason=.*$', ' '))
end

local function number(value, word)
    return tonumber(head(value):match(' ' .. word .. '=(%d+)')) or 0
end

local function lifted(value)
    return head(value):find(' lifted ', 1, true) ~= nil
end

local function changed()
    version = version + 1
    redis.call('HSET', HASH, 'version', text(version))

    -- who is not told looks once a second

    redis.pcall('PUBLISH', HASH, text(version))
end

local function load(from)
    local page = reply(bad, 0)
    local bytes = 0

    for i = from + 1, #ids do
        if i > from + PAGE or bytes > BYTES then
            page[6] = i - 1
            break
        end

        local id = ids[i]

        page[#page + 1] = id
        page[#page + 1] = holds[id]
        bytes = bytes + #id + #holds[id]
    end

    return page
end

local function tell(known)
    local news = 0

    for i = 3, #ARGV, 2 do
        local id, value = ARGV[i], ARGV[i + 1]
        local mine = holds[id]

        if not mine or number(mine, 'since') < number(value, 'since') then
            redis.call('HSET', HASH, id, value)
            holds[id] = value
            news = news + 1
        end
    end

    if known > version or news > 0 then
        version = math.max(known, version)
        changed()
    end

    return reply(news)
end

local function set(id, value, most, room, only)
    local n, bytes = 0, 0

    if only and (not holds[id] or lifted(holds[id])) then
        return reply(2)
    end

    -- what is over makes room

    for _, other in ipairs(ids) do
        local till = number(holds[other], 'until')

        if other ~= id and till > 0 and till <= now then
            redis.call('HDEL', HASH, other)

        elseif other ~= id then
            n = n + 1
            bytes = bytes + #other + #holds[other] + 4
        end
    end

    if n >= most or bytes + #id + #value + 4 > room then
        return reply(0)
    end

    redis.call('HSET', HASH, id, value)
    changed()

    return reply(1)
end

if OP == 'load' then
    return load(tonumber(ARGV[2]))

elseif OP == 'tell' then
    return tell(tonumber(ARGV[2]))
end

return set(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]),
           ARGV[6] == '1')
