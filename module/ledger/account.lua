-- What draw.lua and settle.lua share: this text stands in front of each, behind
-- epoch.lua and documents.lua.
--
-- One hash is one account, one user under one policy.  Its fields:
--   <quota>:<slot>         granted in that slot, epoch seconds, to all nodes;
--                          once idle, what was delivered
--   <quota>:<slot>:<node>  of that, the share of a node
--   <quota>:documents      how many documents its set has: documents.lua
--   #<node>                the number of the node's last question
--
-- KEYS      the account, two for each quota of documents, the epoch
-- ARGV      node, number of this question, number of the last one that was
--           answered, 1 if the node has more to tell of an epoch before, what
--           documents.lua says, then for each quota 14: name, per (h d w m or
--           t), length, offset, limit, slot, share, spent, seen, past, past
--           spent, need, more, lease  (gate_claim_t tells them)
-- RETURNS   id of the epoch, ms until it opens, 1 if this account had lost
--           something that the node knew, else 0, then for each quota 6: slot,
--           ms left of it, share, seen, refused (1 or 0), ms until it may fit;
--           then what documents.lua says
--
-- A question says where the node stands, so asking twice is asking once.  One
-- that comes after a later one is answered with the error STALE.

local SLOTS = 12
local DAY = 86400

-- seconds after which no question comes any more

local LATEST = 60

local key, node = KEYS[1], ARGV[1]
local number, answered = tonumber(ARGV[2]), tonumber(ARGV[3])

local account, changed, gone = {}, {}, {}
local fields = redis.call('HGETALL', key)

for i = 1, #fields, 2 do
    account[fields[i]] = fields[i + 1]
end

local function get(field)
    return tonumber(account[field] or 0) or 0
end

local function set(field, n)
    account[field] = text(n)
    changed[field] = true
end

local function floor(n, step)
    return n - n % step
end

-- days since the epoch of the first day of a month; both count from March

local function days(year, month)
    local era = floor(year, 400) / 400
    local yoe = year - era * 400

    return era * 146097 + yoe * 365 + math.floor(yoe / 4)
           - math.floor(yoe / 100) + math.floor((153 * month + 2) / 5)
           - 719468
end

local function month(day)
    day = day + 719468

    local era = floor(day, 146097) / 146097
    local doe = day - era * 146097
    local yoe = math.floor((doe - math.floor(doe / 1460)
                            + math.floor(doe / 36524)
                            - math.floor(doe / 146096)) / 365)
    local doy = doe - (365 * yoe + math.floor(yoe / 4)
                       - math.floor(yoe / 100))
    local m = math.floor((5 * doy + 2) / 153)
    local y = era * 400 + yoe

    if m == 11 then
        return days(y, m), days(y + 1, 0)
    end

    return days(y, m), days(y, m + 1)
end

-- gate_window_slot() in Lua

local function window(q, at)
    local l = at + q.offset
    local from, to

    if q.per == 't' then
        local width = math.ceil(q.length / SLOTS)

        q.slot_now = floor(at, width)
        q.slot_end = q.slot_now + width
        q.span = math.ceil(q.length / width) * width
        q.oldest = q.slot_now - q.span
        q.kept = q.oldest
        return
    end

    if q.per == 'h' then
        from = floor(l, 3600)
        to = from + 3600

    elseif q.per == 'd' then
        from = floor(l, DAY)
        to = from + DAY

    elseif q.per == 'w' then
        from = floor(l + 3 * DAY, 7 * DAY) - 3 * DAY
        to = from + 7 * DAY

    else
        from, to = month(floor(l, DAY) / DAY)
        from, to = from * DAY, to * DAY
    end

    q.slot_now, q.slot_end = from - q.offset, to - q.offset
    q.span = to - from
    q.oldest = q.slot_now
    q.kept = q.slot_now - (q.per == 'm' and 31 * DAY or q.span)
end

local quotas, named = {}, {}

for i = documents.argv, #ARGV, 14 do
    local q = {
        name = ARGV[i], per = ARGV[i + 1],
        length = tonumber(ARGV[i + 2]), offset = tonumber(ARGV[i + 3]),
        limit = tonumber(ARGV[i + 4]), slot = tonumber(ARGV[i + 5]),
        share = tonumber(ARGV[i + 6]), spent = tonumber(ARGV[i + 7]),
        seen = tonumber(ARGV[i + 8]), past = tonumber(ARGV[i + 9]),
        past_spent = tonumber(ARGV[i + 10]), need = tonumber(ARGV[i + 11]),
        more = tonumber(ARGV[i + 12]), lease = tonumber(ARGV[i + 13])
    }

    window(q, now)
    quotas[#quotas + 1] = q
    named[q.name] = q
end

-- drops what no window reaches any more, and nodes that hold nothing

local function sweep()
    local holders, nodes = { [node] = true }, {}

    for field in pairs(account) do
        local name, slot, holder = field:match('^([^:#]+):(%d+):?(.*)$')
        local q = name and named[name]

        if q and tonumber(slot) < q.kept then
            gone[field] = true

        elseif holder and holder ~= '' then
            holders[holder] = true

        elseif field:sub(1, 1) == '#' then
            nodes[field] = field:sub(2)
        end
    end

    if next(gone) then
        for field, holder in pairs(nodes) do
            if not holders[holder] then
                gone[field] = true
            end
        end
    end

    for field in pairs(gone) do
        account[field] = nil
    end
end

-- granted to all in the window, documents too, and its slots, oldest first

local function granted(q)
    local sum, slots = documents.count(q), documents.slots(q)

    for field, n in pairs(account) do
        local name, slot = field:match('^([^:#]+):(%d+)$')

        if name == q.name and tonumber(slot) >= q.oldest then
            sum = sum + tonumber(n)
            slots[#slots + 1] = { start = tonumber(slot), n = tonumber(n) }
        end
    end

    table.sort(slots, function (a, b) return a.start < b.start end)

    return sum, slots
end

-- sets a node's share of a slot, and the slot's sum with it

local function share(q, slot, n)
    local all = q.name .. ':' .. text(slot)
    local mine = all .. ':' .. node

    set(all, math.max(get(all) - get(mine) + n, 0))
    set(mine, n)
end

-- this Redis forgot what the node was told: the count never falls below that

local function heal(q)
    local slot = q.name .. ':' .. text(q.slot)
    local sum = granted(q)
    local healed = 0

    if q.slot == 0 or q.slot < q.oldest then
        return 0
    end

    if get(slot .. ':' .. node) < q.share then
        set(slot .. ':' .. node, q.share)
        healed = 1
    end

    -- what stood there may be another's, so all is not less than its shares

    local shares = 0

    for field, n in pairs(account) do
        if field:sub(1, #slot + 1) == slot .. ':' then
            shares = shares + tonumber(n)
        end
    end

    if get(slot) < shares then
        sum = sum + (shares - get(slot))
        set(slot, shares)
    end

    if sum < q.seen then
        set(slot, get(slot) + (q.seen - sum))
        healed = 1
    end

    return healed
end

-- a node spends nothing of a slot that it never heard of

local function release(q)
    local slots = {}

    for field in pairs(account) do
        local name, slot, holder = field:match('^([^:#]+):(%d+):(.+)$')

        slot = tonumber(slot)

        if name == q.name and holder == node
           and slot > math.max(q.slot, q.past) and slot < q.slot_now
        then
            slots[#slots + 1] = slot
        end
    end

    for _, slot in ipairs(slots) do
        share(q, slot, 0)
    end
end

local last = get('#' .. node)
local lost = 0

if number <= last then
    return redis.error_reply('STALE question ' .. number .. ' after ' .. last)
end

documents.give()
sweep()

for _, q in ipairs(quotas) do
    local missing = documents.look(q, get(q.name .. ':documents'))

    if missing > 0 then
        local slot = q.name .. ':' .. text(q.slot_now)

        set(slot, get(slot) + missing)
        lost = 1
    end

    if last < answered then
        lost = math.max(lost, heal(q))
    end

    release(q)

    if q.past >= q.kept and q.past > 0
       and account[q.name .. ':' .. text(q.past) .. ':' .. node]
    then
        share(q, q.past, q.past_spent)
    end

    -- borrowed in a slot that has ended: the node may name another next

    if q.slot > 0 and q.slot < q.slot_now and q.slot >= q.kept
       and q.spent > q.share
    then
        share(q, q.slot, q.spent)
    end

    -- what the node says it spent belongs to the slot that it named

    q.stated, q.floor = 0, 0

    if q.slot == q.slot_now then
        q.stated, q.floor = q.spent, math.max(q.share, q.spent)

    elseif q.slot == 0 then
        q.stated = q.spent + (q.past == q.slot_now and q.past_spent or 0)
        q.floor = q.stated
    end
end

if lost == 1 and closed() == 0 then
    begin(LOST)
end

if ARGV[4] == '1' then
    prolong()
end

-- writes what changed and builds the reply

local function done()
    for _, q in ipairs(quotas) do
        if q.set then
            set(q.name .. ':documents', redis.call('ZCARD', q.set))
        end
    end

    local until_s, reply = now, { epoch.id, closed(), lost }
    local write, drop = {}, {}

    set('#' .. node, number)

    for field in pairs(changed) do
        write[#write + 1] = field
        write[#write + 1] = account[field]
    end

    for field in pairs(gone) do
        drop[#drop + 1] = field
    end

    if #drop > 0 then
        redis.call('HDEL', key, unpack(drop))
    end

    redis.call('HSET', key, unpack(write))

    for _, q in ipairs(quotas) do
        local sum = granted(q)

        until_s = math.max(until_s, q.slot_end + q.span)

        for _, n in ipairs({ q.slot_now, q.slot_end * 1000 - now_ms,
                             get(q.name .. ':' .. text(q.slot_now) .. ':'
                                 .. node),
                             sum, q.refused and 1 or 0, q.retry or 0 })
        do
            reply[#reply + 1] = n
        end
    end

    -- the numbers stay for questions that come late

    until_s = text(until_s + LATEST)

    redis.call('EXPIREAT', key, until_s)
    documents.done(quotas, reply, until_s)

    return reply
end
