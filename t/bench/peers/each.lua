-- A quota of bytes and one of requests in Lua, as one writes it: Redis is asked
-- at each request, and told what was taken after it.  Two requests at once may
-- both find the last byte free.

local redis = require "nginx.redis"
local common = require "common"

local M = {}


local function tell(premature, key, bytes)
    local r = common.connect(redis)

    if r then
        r:init_pipeline()
        r:incrby(key, bytes)
        r:expire(key, 172800)
        r:commit_pipeline()
        r:set_keepalive(60000, 100)
    end
end


function M.access()
    local user, bytes_key, requests_key = common.judge()
    local r = common.connect(redis)

    if not r then
        return ngx.exit(503)
    end

    r:init_pipeline()
    r:get(bytes_key)
    r:incr(requests_key)

    local answer = r:commit_pipeline()

    r:set_keepalive(60000, 100)

    if not answer then
        return ngx.exit(503)
    end

    if common.over(tonumber(answer[1]) or 0, answer[2]) then
        return ngx.exit(429)
    end

    ngx.ctx.key = bytes_key
end


function M.log()
    if ngx.ctx.key then
        ngx.timer.at(0, tell, ngx.ctx.key, tonumber(ngx.var.body_bytes_sent))
    end
end


return M
