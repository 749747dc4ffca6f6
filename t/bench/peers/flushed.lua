-- The same as each.lua, but counted in memory that the workers share, which is
-- added to Redis once a second: cheap, and late by that second on each host.

local redis = require "nginx.redis"
local common = require "common"

local M = {}


local function flush()
    local used, added = ngx.shared.used, ngx.shared.added
    local keys = added:get_keys(0)
    local told = {}

    if #keys == 0 then
        return
    end

    local r = common.connect(redis)

    if not r then
        return
    end

    r:init_pipeline()

    for _, key in ipairs(keys) do
        local n = added:get(key)

        if n and n > 0 then
            added:incr(key, -n)
            told[#told + 1] = key
            r:incrby(key, n)
        end
    end

    if #told > 0 then
        for i, n in ipairs(r:commit_pipeline() or {}) do
            used:set(told[i], n)
        end
    end

    r:set_keepalive(60000, 10)
end


function M.start()
    ngx.timer.every(1, flush)
end


function M.access()
    local user, bytes_key, requests_key = common.judge()
    local used, added = ngx.shared.used, ngx.shared.added

    local bytes = (used:get(bytes_key) or 0) + (added:get(bytes_key) or 0)
    local requests = (used:get(requests_key) or 0)
                     + (added:incr(requests_key, 1, 0))

    if common.over(bytes, requests) then
        return ngx.exit(429)
    end

    ngx.ctx.key = bytes_key
end


function M.log()
    if ngx.ctx.key then
        ngx.shared.added:incr(ngx.ctx.key, tonumber(ngx.var.body_bytes_sent),
                              0)
    end
end


return M
