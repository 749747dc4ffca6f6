-- What each.lua and flushed.lua have in common: who asks, from where, and what
-- the limits are.  A location that sets $spent has none left.

local M = {}

local countries = { JP = true }
local most_bytes, most_requests = 1e15, 1e12


function M.connect(redis)
    local r = redis:new()

    r:set_timeout(1000)

    local ok, why = r:connect("unix:" .. ngx.config.prefix() .. "/redis0.sock")

    if not ok then
        ngx.log(ngx.ERR, why)
        return nil
    end

    return r
end


-- the user, and the keys of his bytes and requests today

function M.judge()
    local user = ngx.var.http_x_user

    if ngx.var.ssl_client_verify ~= "SUCCESS" or not countries[ngx.var.cc] then
        return ngx.exit(403)
    end

    if not user then
        local dn = ngx.var.ssl_client_s_dn
        user = dn:match("CN=([^,]+)") or dn
    end

    local day = math.floor(ngx.time() / 86400)

    return user, "bytes:" .. user .. ":" .. day,
           "requests:" .. user .. ":" .. day
end


function M.over(bytes, requests)
    return ngx.var.spent == "1" or bytes > most_bytes
           or requests > most_requests
end


return M
