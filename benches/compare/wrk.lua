-- What wrk is told beyond its command line, and its figures in one line that a program can read.
-- wrk ... -- METHOD BYTES
function init(args)
  if args[1] then
    wrk.method = args[1]
    wrk.body = string.rep("x", tonumber(args[2] or "0"))
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    "compare requests=%d duration_us=%d bytes=%d connect=%d read=%d write=%d status=%d timeout=%d p50=%d p99=%d p999=%d\n",
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
