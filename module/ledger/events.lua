-- Events: a batch of them goes into the stream, once.
--
-- The stream is cut at about so many events, the oldest go.  The writer's last
-- number is kept for a day: who was not answered asks again within seconds of
-- Redis being there.
--
-- KEYS[1]   the stream
-- KEYS[2]   the number of this writer's last batch; in the stream's slot
-- ARGV[1]   the batch's number
-- ARGV[2]   events that the stream keeps
-- ARGV[3]   events of the batch
-- ARGV[4..] these, one JSON text each
-- RETURNS   how many were added: none, if the batch was written before

local number = tonumber(ARGV[1])
local n = tonumber(ARGV[3])

if number <= tonumber(redis.call('GET', KEYS[2]) or 0) then
    return 0
end

for i = 4, 3 + n do
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[i])
end

redis.call('SET', KEYS[2], ARGV[1], 'EX', 86400)

return n
