-- Documents: quotas that count distinct documents of a window.  This text
-- stands in front of account.lua, which it gives a table of functions.
--
-- Such a quota counts the members of a sorted set besides what the account's
-- hash has of it (units that were borrowed, or healed):
--   <account>:<quota>      the documents, 16 bytes each; the score is the slot
--                          in which it was last taken
--   <account>:<quota>:by   which node took it by which question, as long as
--                          only that one did: "node#number", or "+"
--
-- KEYS      the account, the two keys of each such quota, the epoch
-- ARGV      from the fifth: how many such quotas there are; if there are any,
--           their names, how many documents are taken, these, how many are
--           given back, and for each of them its quota's name, itself, and
--           the number of the question that took it
-- RETURNS   for each such quota 2, bit n is the document n that was asked for:
--           those that are in the set now, those that were not before
--
-- Of what is taken, the first is what the quota's "need" is; it does not count
-- if it is in the set.  The others are taken as far as they fit.

local documents = { argv = 6 }
local sets, taken, given = {}, {}, {}

if ARGV[5] ~= '0' then
    local at = 6

    for i = 1, tonumber(ARGV[5]) do
        sets[ARGV[at]] = { set = KEYS[2 * i], by = KEYS[2 * i + 1] }
        at = at + 1
    end

    for i = at + 1, at + tonumber(ARGV[at]) do
        taken[#taken + 1] = ARGV[i]
    end

    at = at + #taken + 1

    for i = at + 1, at + 3 * tonumber(ARGV[at]), 3 do
        given[#given + 1] = { quota = ARGV[i], document = ARGV[i + 1],
                              by = ARGV[1] .. '#' .. ARGV[i + 2] }
    end

    documents.argv = at + 3 * #given + 1
end

-- what one question took, and nobody wanted in the end

function documents.give()
    for _, g in ipairs(given) do
        local s = sets[g.quota]

        if s and redis.call('HGET', s.by, g.document) == g.by then
            redis.call('ZREM', s.set, g.document)
            redis.call('HDEL', s.by, g.document)
            s.given = (s.given or 0) + 1
        end
    end
end

-- looks at the set of a quota whose window is known; answers how many of its
-- documents are missing, which were "had" after the question before

function documents.look(q, had)
    local s = sets[q.name]

    if not s then
        return 0
    end

    q.set, q.by, q.known, q.new, q.has = s.set, s.by, 0, 0, {}

    local lost = had - redis.call('ZCARD', q.set) - (s.given or 0)

    -- those that left the window, a thousand at a time

    local old = redis.call('ZRANGEBYSCORE', q.set, '-inf', '(' .. q.oldest,
                           'LIMIT', 0, 1000)

    if #old > 0 then
        redis.call('ZREM', q.set, unpack(old))
        redis.call('HDEL', q.by, unpack(old))
    end

    for i, document in ipairs(taken) do
        local score = redis.call('ZSCORE', q.set, document)

        q.has[i] = score and tonumber(score) >= q.oldest
    end

    return math.max(lost, 0)
end

function documents.count(q)
    return q.set and redis.call('ZCOUNT', q.set, q.oldest, '+inf') or 0
end

-- adds the same by slot

function documents.slots(q, slots)
    if not q.set then
        return
    end

    for at = q.oldest, q.slot_now, q.slot_end - q.slot_now do
        local n = redis.call('ZCOUNT', q.set, at, at)

        if n > 0 then
            slots[#slots + 1] = { start = at, n = n }
        end
    end
end

function documents.need(q)
    return q.set and q.has[1] and 0 or q.need
end

function documents.take(q)
    local left = q.left

    for i, document in ipairs(q.set and taken or {}) do
        local known = q.has[i]
        local needed = i == 1 and q.need > 0

        if needed or known or left > 0 then
            redis.call('ZADD', q.set, q.slot_now, document)
            redis.call('HSET', q.by, document,
                       known and '+' or ARGV[1] .. '#' .. ARGV[2])

            q.known = q.known + 2 ^ (i - 1)
            q.new = q.new + (known and 0 or 2 ^ (i - 1))

            if not known and not needed then
                left = left - 1
            end
        end
    end
end

function documents.done(quotas, reply, until_s)
    for _, q in ipairs(quotas) do
        if q.set then
            redis.call('EXPIREAT', q.set, until_s)
            redis.call('EXPIREAT', q.by, until_s)
            reply[#reply + 1] = q.known
            reply[#reply + 1] = q.new
        end
    end
end
