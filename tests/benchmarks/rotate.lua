-- wrk's requests go to each host in turn: wrk -s rotate.lua URL -- PATH HOST HOST ...
local requests = {}
local at = 0

function init(arguments)
  local path = table.remove(arguments, 1)
  for _, host in ipairs(arguments) do
    requests[#requests + 1] = wrk.format("GET", path, { ["Host"] = host, ["Accept"] = "*/*" })
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

-- One line that a program can read: requests, microseconds, answers other than 2xx and 3xx,
-- broken connections.
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
