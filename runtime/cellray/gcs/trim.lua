-- Takes the oldest records off the event log, and what the index says of them.
--
-- KEYS[1]  stream  the log; entry ids are <sequence>-0
-- KEYS[2]          with which the keys of the index's blocks begin
-- ARGV[1]  sequence of the last record to go
-- ARGV[2]  sequences of one block
--
-- Returns how many records went.

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not oldest[1] then return 0 end
local block = tonumber(ARGV[2])
local first = math.floor(tonumber(string.match(oldest[1][1], '^%d+')) / block)
local gone = redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d-0', tonumber(ARGV[1]) + 1))
-- A block is needed as long as a write that began in it may have a record in the next one.
for number = math.max(first - 1, 0), math.floor((tonumber(ARGV[1]) + 1) / block) - 2 do
  redis.call('UNLINK', KEYS[2] .. string.format('%d', number))
end
return gone
