-- Requests from a file, in turn, at a rate of all connections together (0: as fast as they go).
-- wrk ... -s load.lua URL -- FILE RATE. One thread. The last line printed is the result as JSON.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int, moment *);")
local clock = ffi.new("moment")

local function now()
   ffi.C.clock_gettime(1, clock)
   return tonumber(clock.s) + tonumber(clock.ns) / 1e9
end

local requests, sent, due, began = {}, 0, 0, 0

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   for size in function() return file:read("*n", "*l") end do
      requests[#requests + 1] = file:read(size)
   end
   file:close()
   rate = tonumber(arguments[2])
   if rate == 0 then delay = nil end
   if #requests == 1 then  -- wrk then sends it without asking Lua each time
      wrk.format, request = function() return requests[1] end, nil
   end
end

-- Milliseconds until the next request is due; one that is late goes at once and none is left out.
function delay()
   if rate == 0 then return 0 end
   if began == 0 then began = now() end
   due = due + 1 / rate
   return math.max(0, math.floor((began + due - now()) * 1000 + 0.5))
end

function request()
   sent = sent + 1
   return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n',
      summary.requests, summary.duration / 1e6, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
