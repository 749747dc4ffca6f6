-- Events, to be read: a page of the stream, those that have all of some texts.
--
-- KEYS      the stream
-- ARGV      the first and the last id, how many events are looked at, with "-"
--           in front: the newest first, and the last id is given first; then
--           the texts, each a piece of JSON as events have it
-- RETURNS   the id of the oldest event there is, or ""; the id to go on after,
--           or ""; how many were looked at; then those that were found
--
-- A page ends early when it has as many bytes as MOST.

local MOST = 256 * 1024

local key, count = KEYS[1], math.abs(tonumber(ARGV[3]))
local range = tonumber(ARGV[3]) < 0 and 'XREVRANGE' or 'XRANGE'
local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
local reply = { oldest and oldest[1] or '', '', 0 }
local entries = redis.call(range, key, ARGV[1], ARGV[2], 'COUNT', count)
local size = 0

local function found(event)
    for i = 4, #ARGV do
        if not event:find(ARGV[i], 1, true) then
            return false
        end
    end

    return true
end

for i, entry in ipairs(entries) do
    local event = entry[2][2] or ''

    if size > MOST then
        break
    end

    if #event <= 16384 and found(event) then
        reply[#reply + 1] = event
        size = size + #event
    end

    reply[2], reply[3] = entry[1], i
end

if reply[3] == #entries and #entries < count then
    reply[2] = ''
end

return reply
