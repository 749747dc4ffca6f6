-- Beat: a node looks whether there is a new epoch, and whether somebody was
-- held, or lifted.
--
-- KEYS[1]   the epoch
-- ARGV[1]   the hash of holds: see holds.lua
-- RETURNS   its id, ms until it opens, its marks; the version of the holds and
--           2, or 1: that is no hash, or 0: another server has it; ms since
--           1970

local holds = redis.pcall('HMGET', ARGV[1], 'version')
local version = 0

if not holds.err then
    version = math.floor(tonumber(holds[1] or 0) or 0)

    if not (version >= 0 and version < 2 ^ 52) then
        version = 0
    end

    version = version + 2

elseif holds.err:find('WRONGTYPE', 1, true) then
    version = 1
end

return { epoch.id, closed(), epoch.marks, version, now_ms }
