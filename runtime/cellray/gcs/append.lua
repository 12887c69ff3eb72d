-- Appends records to the event log in one step: those already there are passed over, a gap is refused.
--
-- KEYS[1]  stream      the log; entry ids are <sequence>-0
-- KEYS[2]  sorted set  the block of the index that the records belong to
-- ARGV[1]  sequence of the first record; the others follow without gaps
-- ARGV[2]  how many members of the index there are; they are next
-- then     source, node id and facts of the first record, and so on, three for each
--
-- The index comes first: it may name a record that is not there, but no record is there that it does not name.
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
local members = tonumber(ARGV[2])
for first = 3, members + 2, 1000 do
  local scored = {}
  for i = first, math.min(first + 999, members + 2) do
    scored[#scored + 1] = 0
    scored[#scored + 1] = ARGV[i]
  end
  redis.call('ZADD', KEYS[2], unpack(scored))
end
for i = members + 3, #ARGV, 3 do
  if sequence > last then
    redis.call('XADD', KEYS[1], string.format('%d-0', sequence),
      's', ARGV[i], 'n', ARGV[i + 1], 'f', ARGV[i + 2])
    last = sequence
  end
  sequence = sequence + 1
end
return last
