-- Deletes everything of a session.
--
-- KEYS[1]  stream  the log
-- KEYS[2]          with which the keys of the index's blocks begin
-- then     all other keys
-- ARGV[1]  sequences of one block of the index

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if oldest[1] then
  local first = math.floor(tonumber(string.match(oldest[1][1], '^%d+')) / tonumber(ARGV[1]))
  local last = math.floor(tonumber(string.match(newest[1][1], '^%d+')) / tonumber(ARGV[1]))
  for number = math.max(first - 1, 0), last do
    redis.call('UNLINK', KEYS[2] .. string.format('%d', number))
  end
end
return redis.call('UNLINK', unpack(KEYS))
