-- What wrk asks for, by the environment: in an argument a token would show in the list of processes.
local path = os.getenv("BENCH_PATH")
local authorization = os.getenv("BENCH_AUTHORIZATION")
local size, part = tonumber(os.getenv("BENCH_SIZE")), tonumber(os.getenv("BENCH_PART"))

local headers = { Authorization = authorization }

function request()
  if part then
    -- wrk's threads begin with the same state, so each server is asked for the same ranges.
    local start = math.random(0, size - part)
    headers["Range"] = string.format("bytes=%d-%d", start, start + part - 1)
  end
  return wrk.format("GET", path, headers)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("bench %d %d %d %d", summary.duration, summary.requests, summary.bytes, failed))
end
