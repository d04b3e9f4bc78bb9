-- The key, then a minute's and a month's window in memory that one nginx shares; as lean as it goes.
local MINUTE, MONTH = 3000000, 1000000000
local counts, header = ngx.shared.counts, ngx.var.http_authorization

local owner = header and ngx.shared.keys:get(header)
if not owner then return ngx.exit(401) end
if counts:incr(owner, 1, 0, 60) > MINUTE or ngx.shared.months:incr(owner, 1, 0, 2678400) > MONTH then
   return ngx.exit(429)
end
ngx.var.owner_id = owner
