-- Usage of users: the days of users, by project.  This text stands behind
-- usage.lua.
--
-- Documents are counted exactly up to EXACT of one user and day, by a set of
-- them that is kept for two days; from then on with an error of 1 %, by a
-- HyperLogLog.  They are 14 bytes of SHA-256 of project and document.
--
-- KEYS      behind the node's: a hash for each user
-- ARGV      behind what usage.lua has, for each row 5: which of the hashes,
--           the project, bytes, requests, documents (one behind the other)
-- RETURNS   for each row 2: how many documents are new today, and 1 if the
--           project has a row of its own, else 0; then for each hash 2: its
--           total bytes, and those of its month.  Of a batch that was there
--           before the first are as they were told then.

local EXACT, DIGEST = 4096, 14

local ends, rows = tonumber(ARGV[2]), tonumber(ARGV[3])

local kept = now + 2 * 86400

local function count(key, digests)
    local list, set, more = {}, key .. ':documents', key .. ':documents:more'

    for i = 1, #digests, DIGEST do
        list[#list + 1] = digests:sub(i, i + DIGEST - 1)
    end

    if #list == 0 then
        return 0
    end

    if (try('SCARD', set) or 0) < EXACT then
        local fresh = try('SADD', set, unpack(list)) or 0

        expire(set, kept)

        return fresh
    end

    local unknown = {}

    for _, document in ipairs(list) do
        if try('SISMEMBER', set, document) == 0 then
            unknown[#unknown + 1] = document
        end
    end

    if #unknown == 0 then
        return 0
    end

    local before = try('PFCOUNT', more) or 0

    try('PFADD', more, unpack(unknown))
    expire(more, kept)

    return math.max((try('PFCOUNT', more) or 0) - before, 0)
end

local fresh = {}

if begin(tonumber(ARGV[1])) then

    for row = 1, rows do
        local i = 3 + 5 * (row - 1)
        local key = KEYS[1 + tonumber(ARGV[i + 1])]
        local documents = count(key, ARGV[i + 5])
        local _, own = add(key, ARGV[i + 2], MOST.projects,
                           tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]),
                           documents)

        add(month(key), ARGV[i + 2], MOST.projects, tonumber(ARGV[i + 3]),
            tonumber(ARGV[i + 4]), documents)

        fresh[2 * row - 1] = documents
        fresh[2 * row] = own
    end

    redis.call('HSET', KEYS[1], 'fresh', table.concat(fresh, ' '))

    for i = 2, #KEYS do
        expire(KEYS[i], ends)
        expire(month(KEYS[i]), ends)
    end

else
    local told = redis.call('HMGET', KEYS[1], 'fresh')[1] or ''

    for n in told:gmatch('%d+') do
        fresh[#fresh + 1] = math.min(tonumber(n), LARGEST)
    end
end

local reply = { now_ms, failure }

for i = 1, 2 * rows do
    reply[2 + i] = fresh[i] or 0
end

for i = 2, #KEYS do
    reply[#reply + 1] = total(KEYS[i])
    reply[#reply + 1] = total(month(KEYS[i]))
end

reply[2] = failure

return reply
