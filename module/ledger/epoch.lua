-- Epoch: since when Redis has forgotten nothing.  This text stands in front of
-- each script.
--
-- A new epoch begins when there is none (FLUSHALL, a start without data), when
-- another server answers (a failover or a restart may have lost the last
-- writes), and when an account turns out to have lost something.  Nothing is
-- granted before it opens: by then every node has told again what it knows.
--
-- KEYS      the last of them is the epoch, one hash for all accounts:
--   id    when it began, ms
--   run   the run id of the server
--   open  when it opens, ms
--   marks how often an administrator changed what nodes have in mind of users
-- ARGV, RETURNS  are those of the script behind it

local EPOCH = KEYS[#KEYS]

-- ms until it opens: nodes look for a new epoch each second, but see at once
-- that their server has gone; and after one that has still more to tell

local LOST, REPLACED, MORE = 2000, 700, 500

-- who has more to tell for longer than this is not waited for, ms

local LONGEST = 10000

local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = redis.call('INFO', 'server'):match('run_id:(%x+)') or '?'

local epoch = redis.call('HMGET', EPOCH, 'id', 'run', 'open', 'marks')

epoch = { id = tonumber(epoch[1] or 0) or 0, run = epoch[2],
          open = tonumber(epoch[3] or 0) or 0,
          marks = (tonumber(epoch[4] or 0) or 0) % 2 ^ 31 }

local function text(n)
    return string.format('%.0f', n)
end

-- ms until this epoch opens; a clock that was set back does not prolong it

local function closed()
    local left = epoch.open - now_ms

    return left > LONGEST and 0 or math.max(left, 0)
end

local function begin(pause)
    epoch.id = math.max(now_ms, epoch.id + 1)
    epoch.open = now_ms + math.max(pause, closed())
    epoch.run = run

    redis.call('HSET', EPOCH, 'id', text(epoch.id), 'run', run, 'open',
               text(epoch.open))
end

local function prolong()
    if now_ms < epoch.id + LONGEST and closed() < MORE then
        epoch.open = now_ms + MORE
        redis.call('HSET', EPOCH, 'open', text(epoch.open))
    end
end

if epoch.id == 0 then
    begin(LOST)

elseif epoch.run ~= run then
    begin(REPLACED)
end
