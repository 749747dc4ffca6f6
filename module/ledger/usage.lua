-- Usage: what users took of projects, day by day.  This text stands in front
-- of the three scripts that write it down, in this order: usage_user.lua,
-- usage_project.lua, usage_top.lua.
--
-- One hash is one day of one user, by project; or of one project, by user.  Its
-- name ends with the date, and what is in the name without the day is the same
-- of the month: all that is added to a day is added there, too.  That of a
-- project has a sorted set ":top" of its rows by bytes, for it may be long.
-- Its fields, but for the last, have three numbers with blanks between: bytes,
-- requests, distinct documents.
--   <name>     of a project, or a user; "#" and a SHA-256 for one that is long
--              or odd, then a blank, and the first 255 bytes of it
--   #none      where the policy tells no project
--   #others    of those that came when there were as many as MOST
--   #total     of all
--   #largest   of a project's day: bytes, a blank, and who took them
--
-- KEYS      of the first two scripts: the node's own, with the number of its
--           last batch, so that one whose answer was lost is not added twice
-- ARGV      of these: the number of this batch, when the hashes expire (epoch
--           seconds), how many rows follow
-- RETURNS   now (epoch ms), "" or the first error, then what each tells
--
-- A row that cannot be written, because somebody wrote something else there,
-- does not keep others from it.

-- rows of a hash, and seconds that a node may not hear an answer

local MOST = { projects = 1000, users = 10000 }
local WEEK = 7 * 86400

-- what a number may be

local LARGEST = 2 ^ 53

local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)

local failure = ''

local function text(n)
    return string.format('%.0f', n)
end

local function try(...)
    local reply = redis.pcall(...)

    if type(reply) ~= 'table' or not reply.err then
        return reply
    end

    if failure == '' then
        failure = reply.err
    end

    return false
end

-- true: this batch is a new one, and from now on an old one

local function begin(number)
    local last = redis.call('HMGET', KEYS[1], 'number')[1]

    if number <= (tonumber(last or 0) or 0) then
        return false
    end

    redis.call('HSET', KEYS[1], 'number', text(number), 'fresh', '')
    redis.call('EXPIREAT', KEYS[1], text(now + WEEK))

    return true
end

local function expire(key, at)
    try('EXPIREAT', key, text(at))
end

-- "bytes requests documents", and what is to be added

local function sum(had, ...)
    local numbers = {}

    for n in (had or ''):gmatch('%d+') do
        numbers[#numbers + 1] = tonumber(n)
    end

    for i, n in ipairs({ ... }) do
        numbers[i] = math.min(math.max((numbers[i] or 0) + n, 0), LARGEST)
    end

    return numbers[1], string.format('%.0f %.0f %.0f', unpack(numbers, 1, 3))
end

-- the row's bytes; and 1 if it is one of its own, else 0

local function add(key, name, most, ...)
    local had = try('HMGET', key, name, '#total')

    if not had then
        return 0, 0
    end

    local own, total = 1, had[2]

    if not had[1] and total and (try('HLEN', key) or 0) >= most then
        own, name = 0, '#others'
        had = try('HMGET', key, name)
    end

    local bytes, row = sum(had[1], ...)
    local _, all = sum(total, ...)

    try('HSET', key, name, row, '#total', all)

    return bytes, own
end

-- of a day

local function month(key)
    return (key:gsub('%-%d+$', ''))
end

local function total(key)
    local had = try('HMGET', key, '#total')

    return (sum(had and had[1], 0, 0, 0))
end
