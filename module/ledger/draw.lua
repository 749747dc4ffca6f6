-- Draw: grants an account the units that are needed, all quotas or none, and
-- an idle lease on top while there is plenty; nothing before the epoch opens.
--
-- KEYS, ARGV, RETURNS: as account.lua says, whose text stands in front.

-- ms until so much has left the window that the need fits

local function retry(q, excess)
    if q.per ~= 't' then
        return q.slot_end * 1000 - now_ms
    end

    local at, slots = q.slot_now, counted(q)

    documents.slots(q, slots)
    table.sort(slots, function (a, b) return a.start < b.start end)

    for _, slot in ipairs(slots) do
        at = slot.start

        if slot.n >= excess then
            break
        end

        excess = excess - slot.n
    end

    return (at + q.span + q.slot_end - q.slot_now) * 1000 - now_ms
end

-- gate_lease_share() in Lua

local function draw(q)
    local need = documents.need(q)
    local sum = granted(q)
    local mine = get(q.name .. ':' .. text(q.slot_now) .. ':' .. node)
    local others = math.max(sum - mine, 0)
    local room = math.max(q.limit - others, 0)
    local want = q.stated + need
    local left = room - want

    if need > 0 and left < 0 then
        q.refused = true
        q.retry = retry(q, want - room)
        return q.floor
    end

    if q.set then
        q.left = left
        return math.max(q.stated, q.floor)
    end

    if left <= 0 then
        return math.max(want, q.floor)
    end

    local more = math.min(q.more, left)
    local lease = math.min(q.lease, math.floor((left - more) / 8))

    return math.max(want + more + lease, q.floor)
end

local shares, none = {}, closed() > 0

for i, q in ipairs(quotas) do
    shares[i] = none and q.floor or draw(q)
end

for i, q in ipairs(quotas) do
    none = none or q.refused
end

for i, q in ipairs(quotas) do
    share(q, q.slot_now, none and q.floor or shares[i])

    if get('=' .. q.name) ~= q.base then
        set('=' .. q.name, q.base)
    end

    if not none then
        documents.take(q)
    end
end

return done()
