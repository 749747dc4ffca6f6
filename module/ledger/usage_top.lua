-- Usage of a day, or a month: its users and projects by bytes, and projects by
-- what the largest of their users took in a day.  This text stands behind
-- usage.lua.
--
-- A score is only ever raised to what the hashes have, so asking twice, and in
-- any order, is asking once.
--
-- KEYS      three sorted sets: users, projects, projects by their largest user
-- ARGV      when they expire (epoch seconds), how many users, how many
--           projects; for each user 2: name, bytes; for each project 3: name,
--           bytes, those of its largest user
-- RETURNS   now (epoch ms), "" or the first error

-- those that are kept of a day

local KEPT = 10000

local ends, users, projects = tonumber(ARGV[1]), tonumber(ARGV[2]),
                              tonumber(ARGV[3])

local function raise(key, name, bytes)
    local had = try('ZSCORE', key, name)

    if not had or tonumber(bytes) > tonumber(had) then
        try('ZADD', key, bytes, name)
    end
end

for n = 0, users - 1 do
    raise(KEYS[1], ARGV[4 + 2 * n], ARGV[5 + 2 * n])
end

for n = 0, projects - 1 do
    local i = 4 + 2 * users + 3 * n

    raise(KEYS[2], ARGV[i], ARGV[i + 1])
    raise(KEYS[3], ARGV[i], ARGV[i + 2])
end

for i = 1, 3 do
    try('ZREMRANGEBYRANK', KEYS[i], 0, -KEPT - 1)
    expire(KEYS[i], ends)
end

return { now_ms, failure }
