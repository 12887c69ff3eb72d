-- Appends records to the event log in one step: those already there are passed over, a gap is refused.
--
-- KEYS[1]  stream  the log; entry ids are <sequence>-0
-- ARGV[1]  sequence of the first record; the others follow without gaps
-- ARGV[2]  source, ARGV[3] node id, ARGV[4] facts of the first record, and so on, three for each
--
-- Returns the sequence of the log's last record. Error GAP <last> when the records do not join on to it.

local last = 0
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] then
  last = tonumber(string.match(newest[1][1], '^%d+'))
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  -- Trimmed to nothing: the stream still knows its last id.
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = tonumber(string.match(info[i + 1], '^%d+')) end
  end
end

local sequence = tonumber(ARGV[1])
if sequence > last + 1 then
  return redis.error_reply('GAP ' .. last)
end
for i = 2, #ARGV, 3 do
  if sequence > last then
    redis.call('XADD', KEYS[1], string.format('%d-0', sequence),
      's', ARGV[i], 'n', ARGV[i + 1], 'f', ARGV[i + 2])
    last = sequence
  end
  sequence = sequence + 1
end
return last
