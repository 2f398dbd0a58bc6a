-- What wrk sends: wrk -s load.lua URL -- WORKLOAD SESSIONS MESSAGES_PER_REQUEST REQUESTS
--
-- Sessions are s0, s1, … and are chosen at random. "fill" appends to one after the other and
-- ends wrk after so many answers; every other workload goes on for as long as wrk does.

local text = string.rep("What one says to another. ", 8):sub(1, 200)
local message = '{"role":"user","content":"' .. text .. '"}'
local random = math.random
local workload, sessions

-- A request with the session's number left out: what stands before it, and after it.
local function around(method, path, body)
  local headers = body and { ["Content-Type"] = "application/json" } or {}
  local request = wrk.format(method, path, headers, body)
  local from, to = request:find("@", 1, true)
  return request:sub(1, from - 1), request:sub(to + 1)
end

local function session(before, after)
  return function() return before .. random(0, sessions - 1) .. after end
end

function init(arguments)
  workload, sessions = arguments[1], tonumber(arguments[2])
  local per_request, requests = tonumber(arguments[3]), tonumber(arguments[4])
  math.randomseed(os.time())

  local body = message
  if per_request > 1 then
    body = '{"messages":[' .. string.rep(message .. ",", per_request - 1) .. message .. "]}"
  end
  local read = session(around("GET", "/sessions/s@"))
  local append = session(around("POST", "/sessions/s@/messages", body))

  if workload == "health" or workload == "live" then
    local fixed = wrk.format("GET", workload == "live" and "/health/live" or "/health")
    request = function() return fixed end
  elseif workload == "read" then
    request = read
  elseif workload == "tail" then
    request = session(around("GET", "/sessions/s@?last=30"))
  elseif workload == "append" then
    request = append
  elseif workload == "mix" then
    request = function() return random() < 0.8 and read() or append() end
  elseif workload == "fill" then
    local before, after = around("POST", "/sessions/s@/messages", body)
    local sent, answered = 0, 0
    request = function()
      sent = sent + 1
      return before .. (sent - 1) % sessions .. after
    end
    response = function(status)
      answered = answered + 1
      if status >= 400 then os.exit(1) end
      if answered == requests then os.exit(0) end
    end
  else
    error("no such workload: " .. workload)
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"refused":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
