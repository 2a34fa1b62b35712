-- wrk: each request another user of another experiment. Argument: how many experiments. SPLITDECK_TOKEN is the token.
local experiments, token, n = 1, "", 0

function init(arguments)
  experiments = tonumber(arguments[1])
  token = os.getenv("SPLITDECK_TOKEN") or ""
  n = math.random(1000000)
end

function request()
  n = n + 1
  local country = n % 10 == 0 and "TH" or "DE"
  local body = string.format(
    '{"experimentId":"exp-%d","user_id":"user-%d","user_properties":{"country":"%s"}}', n % experiments, n % 1000000, country)
  return wrk.format("POST", "/experiments/assign",
    { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("%.0f assignments/s, p50 %.2f ms, p99 %.2f ms, errors %d\n",
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
