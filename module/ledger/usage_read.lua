-- Usage, to be read: of one key of one day, a page of what it has, the most
-- bytes first.
--
-- KEYS      a hash as usage.lua has it, or a sorted set as usage_top.lua
-- ARGV      "rows" of a hash, how many to skip, how many to tell at most; or
--           "top" of a sorted set, and the same; or "scores" of a sorted set,
--           how many names, and the names
-- RETURNS   rows: how many there are, total bytes, requests, documents, then
--           for each 4: name, bytes, requests, documents; top: how many there
--           are, then for each 2: name, bytes; scores: the bytes of each
--
-- A page ends early when it has as many bytes of names as MOST.  What is not
-- written as it should be is 0.

local MOST = 256 * 1024

local key, what = KEYS[1], ARGV[1]
local skip, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local reply = {}

local function push(...)
    for _, value in ipairs({ ... }) do
        reply[#reply + 1] = value
    end
end

local function numbers(value)
    local bytes, requests, documents = value:match('^(%d+) (%d+) (%d+)$')

    return tonumber(bytes or 0), tonumber(requests or 0),
           tonumber(documents or 0)
end

local function rows()
    local fields, list, total = redis.call('HGETALL', key), {}, '0 0 0'

    for i = 1, #fields, 2 do
        local name, value = fields[i], fields[i + 1]

        if name == '#total' then
            total = value

        elseif name ~= '#largest' then
            list[#list + 1] = { name, numbers(value) }
        end
    end

    table.sort(list, function (a, b)
        return a[2] > b[2] or (a[2] == b[2] and a[1] < b[1])
    end)

    push(#list, numbers(total))

    local size = 0

    for i = skip + 1, math.min(#list, skip + count) do
        size = size + #list[i][1]

        if size > MOST then
            break
        end

        push(unpack(list[i]))
    end
end

local function top()
    local list = redis.call('ZREVRANGE', key, skip, skip + count - 1,
                            'WITHSCORES')
    local size = 0

    push(redis.call('ZCARD', key))

    for i = 1, #list, 2 do
        size = size + #list[i]

        if size > MOST then
            break
        end

        push(list[i], tonumber(list[i + 1]))
    end
end

if what == 'rows' then
    rows()

elseif what == 'top' then
    top()

else
    for i = 3, 2 + skip do
        push(tonumber(redis.call('ZSCORE', key, ARGV[i]) or 0))
    end
end

return reply
