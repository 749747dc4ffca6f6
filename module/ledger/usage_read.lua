-- Usage, to be read: of one key of one day, or month, a page of what it has,
-- the most bytes first.
--
-- KEYS      a hash as usage.lua has it, or a sorted set as usage_top.lua; then
--           hashes of which only the totals are wanted
-- ARGV      "rows" of a hash, how many to skip, how many to tell at most; or
--           "most" of a hash, 0, and the same, in no order, or all of it if
--           that are not many; or "top" of a
--           sorted set; or "some" of either, how many names, and the names
-- RETURNS   for each row 2: name, and as it is written, "bytes requests
--           documents" or bytes; then how many rows there are, and the total of
--           a hash; then the totals of the others.  All rows of a hash come as
--           they lie there, with #total and #largest.
--
-- A page ends early when it has as many bytes as MOST.

local MOST = 256 * 1024

-- rows that may be more than are asked for

local ALL = 2500

local key, what = KEYS[1], ARGV[1]
local skip, count = tonumber(ARGV[2]), tonumber(ARGV[3])

-- so much of a list as a reply may have

local function cut(list)
    local size = 0

    for i = 1, #list, 2 do
        size = size + #list[i] + #list[i + 1]

        if size > MOST then
            for n = #list, i, -1 do
                list[n] = nil
            end

            break
        end
    end

    return list
end

local function finish(list, n, total)
    list[#list + 1] = n
    list[#list + 1] = total

    for i = 2, #KEYS do
        local had = redis.pcall('HMGET', KEYS[i], '#total')

        list[#list + 1] = not had.err and had[1] or '0'
    end

    return list
end

-- of many numbers the n-th largest, or 0: they are counted by their first five
-- bits, and only those that have the same as it has are sorted

local function nth(numbers, n)
    local counts, largest, same = {}, -1, {}

    local function bucket(number)
        local part, power = math.frexp(number)

        return power * 16 + math.floor((part - 0.5) * 32)
    end

    for _, number in pairs(numbers) do
        local i = number > 0 and bucket(number) or 0

        counts[i] = (counts[i] or 0) + 1
        largest = math.max(largest, i)
    end

    for i = largest, 0, -1 do
        local k = counts[i] or 0

        if n <= k then
            for _, number in pairs(numbers) do
                if (number > 0 and bucket(number) or 0) == i then
                    same[#same + 1] = number
                end
            end

            table.sort(same)

            return same[#same - n + 1]
        end

        n = n - k
    end

    return 0
end

-- rows with so many bytes or more, one after the other: first those with more

local function above(fields, bytes, from)
    local list = {}

    for pass = 1, 2 do
        for i = 1, #fields, 2 do
            local n = bytes[i]

            if n and (pass == 1 and n > from or pass == 2 and n == from) then
                list[#list + 1] = fields[i]
                list[#list + 1] = fields[i + 1]
            end
        end
    end

    return list
end

-- the most bytes first

local function page(list)
    local rows, told = {}, {}

    for i = 1, #list, 2 do
        rows[#rows + 1] = { list[i], list[i + 1],
                            tonumber(list[i + 1]:match('^%d+') or 0) }
    end

    table.sort(rows, function (a, b)
        return a[3] > b[3] or (a[3] == b[3] and a[1] < b[1])
    end)

    for i = skip + 1, math.min(#rows, skip + count) do
        told[#told + 1] = rows[i][1]
        told[#told + 1] = rows[i][2]
    end

    return told
end

-- of a hash that has its order beside it

local function ordered()
    local names = redis.call('ZREVRANGE', key .. ':top', skip,
                             skip + count - 1)
    local list = {}

    if #names > 0 then
        local values = redis.call('HMGET', key, unpack(names))

        for i, name in ipairs(names) do
            list[2 * i - 1], list[2 * i] = name, values[i] or '0'
        end
    end

    return finish(cut(list), redis.call('ZCARD', key .. ':top'),
                  redis.call('HMGET', key, '#total')[1] or '0')
end

-- Rows are told as they lie there if they need not be chosen: to choose costs
-- more than to tell.  They are not sorted before it is known how many bytes are
-- enough.

local function rows()
    if redis.call('ZCARD', key .. ':top') > 0 then
        return ordered()
    end

    local fields, total, size, n = redis.call('HGETALL', key), '0 0 0', 0, 0

    for i = 1, #fields, 2 do
        size = size + #fields[i] + #fields[i + 1]

        if fields[i] == '#total' then
            total = fields[i + 1]

        elseif fields[i] ~= '#largest' then
            n = n + 1
        end
    end

    if skip == 0 and size <= MOST
       and (n <= count or (what == 'most' and n <= ALL))
    then
        return finish(fields, n, total)
    end

    local bytes = {}

    for i = 1, #fields, 2 do
        if fields[i] ~= '#total' and fields[i] ~= '#largest' then
            bytes[i] = tonumber(fields[i + 1]:match('^%d+') or 0)
        end
    end

    local list = above(fields, bytes, nth(bytes, skip + count))

    if what == 'rows' then
        list = page(list)
    end

    for i = #list, 2 * count + 1, -1 do
        list[i] = nil
    end

    return finish(cut(list), n, total)
end

local function top()
    local list = redis.call('ZREVRANGE', key, skip, skip + count - 1,
                            'WITHSCORES')

    return finish(cut(list), redis.call('ZCARD', key), '0')
end

local function some()
    local values = redis.pcall('HMGET', key, unpack(ARGV, 3, 2 + skip))
    local set, list = values.err, {}

    for i = 1, skip do
        local name = ARGV[2 + i]

        list[#list + 1] = name
        list[#list + 1] = (set and redis.call('ZSCORE', key, name)
                           or values[i]) or '0'
    end

    return finish(list, skip, '0')
end

return what == 'top' and top() or what == 'some' and some() or rows()
