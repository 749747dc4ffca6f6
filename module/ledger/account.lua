-- What draw.lua and settle.lua share: this text stands in front of each, behind
-- epoch.lua and documents.lua.
--
-- One hash is one account, one user under one policy.  Its fields:
--   <quota>:<slot>         granted in that slot, epoch seconds, to all nodes;
--                          once idle, what was delivered
--   <quota>:<slot>:<node>  of that, the share of a node
--   <quota>:documents      how many documents its set has: documents.lua
--   =<quota>               the limit of the last draw, without what was given
--                          beyond it
--   #<node>                the number of the node's last question
--   ~<quota>:<slot>        once this Redis lost memory, until the epoch opens:
--                          granted to all in the window, as a node knew it,
--   ~<quota>               and what of that nodes have given back since
--
-- KEYS      the account, two for each quota of documents, the epoch
-- ARGV      node, number of this question, number of the last one that was
--           answered, 1 if the node has more to tell of an epoch before, what
--           documents.lua says, then for each quota 14: name, per (h d w m or
--           t), length, offset, limit, slot, share, spent, seen, past, past
--           spent, need, more, lease  (gate_claim_t tells them).  A limit may
--           have two numbers behind it, with blanks before each: what was
--           given beyond it, and when that ends, epoch seconds
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

local account, changed, gone, told = {}, {}, {}, false
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

local quotas, by_name = {}, {}

for i = documents.argv, #ARGV, 14 do
    local limit, extra, ends = ARGV[i + 4]:match('^(%d+) ?(%d*) ?(%d*)$')
    local given = now < (tonumber(ends) or 0) and tonumber(extra) or 0

    local q = {
        name = ARGV[i], per = ARGV[i + 1],
        length = tonumber(ARGV[i + 2]), offset = tonumber(ARGV[i + 3]),
        base = tonumber(limit), limit = tonumber(limit) + given,
        slot = tonumber(ARGV[i + 5]),
        share = tonumber(ARGV[i + 6]), spent = tonumber(ARGV[i + 7]),
        seen = tonumber(ARGV[i + 8]), past = tonumber(ARGV[i + 9]),
        past_spent = tonumber(ARGV[i + 10]), need = tonumber(ARGV[i + 11]),
        more = tonumber(ARGV[i + 12]), lease = tonumber(ARGV[i + 13])
    }

    window(q, now)
    quotas[#quotas + 1] = q
    by_name[q.name] = q
end

-- drops what no window reaches any more, and nodes that hold nothing

local function sweep()
    local holders, nodes = { [node] = true }, {}

    for field in pairs(account) do
        local name, slot, holder = field:match('^~?([^:#]+):(%d+):?(.*)$')
        local q = name and by_name[name]

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

    for field in pairs(account) do
        told = told or field:sub(1, 1) == '~'
    end
end

-- the slots of the window, oldest first, without documents

local function counted(q)
    local slots = {}

    for field, n in pairs(account) do
        local name, slot = field:match('^([^:#]+):(%d+)$')

        if name == q.name and tonumber(slot) >= q.oldest then
            slots[#slots + 1] = { start = tonumber(slot), n = tonumber(n) }
        end
    end

    table.sort(slots, function (a, b) return a.start < b.start end)

    return slots
end

-- granted to all in the window, documents too

local function granted(q)
    local sum = documents.count(q)

    for _, slot in ipairs(counted(q)) do
        sum = sum + slot.n
    end

    return sum
end

-- of a slot, what is some node's

local function named(q, start)
    local slot, sum = q.name .. ':' .. text(start) .. ':', 0

    for field, n in pairs(account) do
        if field:sub(1, #slot) == slot then
            sum = sum + tonumber(n)
        end
    end

    return sum
end

-- sets a node's share of a slot, and the slot's sum with it

local function share(q, slot, n)
    local all = q.name .. ':' .. text(slot)
    local mine = all .. ':' .. node

    set(all, math.max(get(all) - get(mine) + n, 0))
    set(mine, n)
end

-- This Redis forgot what the node was told.  Its share is what it says, and
-- what stands here of it in slots that it does not name is nobody's.  How much
-- was granted to all is looked at when all have told: see complete().

local function heal(q)
    if q.slot == 0 or q.slot < q.oldest then
        return 0
    end

    for field in pairs(account) do
        local name, slot, holder = field:match('^([^:#]+):(%d+):(.+)$')

        if name == q.name and holder == node
           and tonumber(slot) < q.slot and tonumber(slot) ~= q.past
        then
            set(field, 0)
        end
    end

    share(q, q.slot, q.share)

    local known = '~' .. q.name .. ':' .. text(q.slot)

    set(known, math.max(get(known), q.seen))
    told = true

    return 1
end

-- what nodes knew to be granted to all in the window, oldest first

local function known(q)
    local all = {}

    for field, n in pairs(told and account or {}) do
        local name, slot = field:match('^~([^:]+):(%d+)$')

        if name == q.name and tonumber(slot) >= q.oldest then
            all[#all + 1] = { slot = tonumber(slot), n = tonumber(n) }
        end
    end

    table.sort(all, function (a, b) return a.slot < b.slot end)

    return all
end

-- What was known to be granted, and nobody named, is counted in the slot in
-- which it was known: so it does not leave the window too early.  What is
-- nobody's in the slots before is taken to be part of it.

local function complete(q)
    for _, k in ipairs(known(q)) do
        local missing = k.n - get('~' .. q.name) - documents.count(q)
        local before = {}

        for _, slot in ipairs(counted(q)) do
            if slot.start < k.slot then
                slot.named = math.min(named(q, slot.start), slot.n)
                before[#before + 1] = slot
            end

            missing = missing - (slot.named or slot.n)
        end

        if missing > 0 then
            local slot = q.name .. ':' .. text(k.slot)

            set(slot, get(slot) + missing)
        end

        for _, slot in ipairs(before) do
            local n = math.max(math.min(slot.n - slot.named, missing), 0)

            set(q.name .. ':' .. text(slot.start), slot.n - n)
            missing = missing - n
        end
    end

    for field in pairs(told and account or {}) do
        if field:match('^~([^:]+)') == q.name then
            account[field], changed[field], gone[field] = nil, nil, true
        end
    end
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

    q.had = get(q.name .. ':' .. text(q.slot) .. ':' .. node)

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

for _, q in ipairs(quotas) do
    if closed() == 0 then
        complete(q)
    end
end

-- what the node had in the slot that it named, and has no more

local function lowered(q)
    if told and q.slot > 0 and q.slot >= q.oldest then
        local n = q.had - get(q.name .. ':' .. text(q.slot) .. ':' .. node)

        if n > 0 then
            set('~' .. q.name, get('~' .. q.name) + n)
        end
    end
end

-- writes what changed and builds the reply

local function done()
    for _, q in ipairs(quotas) do
        if q.set then
            set(q.name .. ':documents', redis.call('ZCARD', q.set))
        end

        if closed() > 0 then
            lowered(q)
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
        local seen = granted(q)

        for _, k in ipairs(known(q)) do
            seen = math.max(seen, k.n - get('~' .. q.name))
        end

        until_s = math.max(until_s, q.slot_end + q.span)

        for _, n in ipairs({ q.slot_now, q.slot_end * 1000 - now_ms,
                             get(q.name .. ':' .. text(q.slot_now) .. ':'
                                 .. node),
                             seen, q.refused and 1 or 0, q.retry or 0 })
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
