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
--
-- In a cluster each primary has an epoch of its own, written down several times
-- in slots that are different ones: so it is still known when some of them
-- move elsewhere.  Then it is none of KEYS, but the last of ARGV tells where:
-- "@", and the keys, with blanks between.

local EPOCHS = { KEYS[#KEYS] }

if (ARGV[#ARGV] or ''):sub(1, 1) == '@' then
    EPOCHS = {}

    for key in table.remove(ARGV):gmatch('[^@ ]+') do
        EPOCHS[#EPOCHS + 1] = key
    end
end

-- ms until it opens: nodes look for a new epoch each second, but see at once
-- that their server has gone; and after one that has still more to tell

local LOST, REPLACED, MORE = 2000, 700, 500

-- who has more to tell for longer than this is not waited for, ms

local LONGEST = 10000

local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = redis.call('INFO', 'server'):match('run_id:(%x+)') or '?'

local function text(n)
    return string.format('%.0f', n)
end

-- the epoch as it is written down here; that of this run before others

local epoch, homes, marks = nil, {}, 0

for _, key in ipairs(EPOCHS) do
    local home = redis.pcall('HMGET', key, 'id', 'run', 'open', 'marks')

    if not home.err then
        home = { key = key, id = tonumber(home[1] or 0) or 0, run = home[2],
                 open = tonumber(home[3] or 0) or 0,
                 marks = (tonumber(home[4] or 0) or 0) % 2 ^ 31 }

        homes[#homes + 1] = home
        marks = math.max(marks, home.marks)

        if not epoch or (home.run == run and epoch.run ~= run)
           or ((home.run == run or epoch.run ~= run) and home.id > epoch.id)
        then
            epoch = home
        end

    elseif #EPOCHS == 1 then
        return redis.error_reply(home.err)
    end
end

if not epoch then
    return redis.error_reply('ELSEWHERE the epoch is not on this server')
end

epoch = { id = epoch.id, run = epoch.run, open = epoch.open, marks = marks }

local function write()
    for _, home in ipairs(homes) do
        redis.call('HSET', home.key, 'id', text(epoch.id), 'run', epoch.run,
                   'open', text(epoch.open))
    end
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

    write()
end

local function prolong()
    if now_ms < epoch.id + LONGEST and closed() < MORE then
        epoch.open = now_ms + MORE
        write()
    end
end

if epoch.id == 0 then
    begin(LOST)

elseif epoch.run ~= run then
    begin(REPLACED)

else
    for _, home in ipairs(homes) do
        if home.id ~= epoch.id or home.open ~= epoch.open then
            write()
            break
        end
    end
end
