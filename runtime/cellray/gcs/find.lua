-- Finds the records of the event log under given keys of its index.
--
-- KEYS[1]  stream  the log; entry ids are <sequence>-0
-- KEYS[2]          with which the keys of the index's blocks begin
-- ARGV[1]  sequences of one block
-- ARGV[2]  1 when the first record under each key is enough, else 0
-- ARGV[3]  with what the members for the first key begin, and so on
--
-- Returns entries of the log in their order, each once. What was trimmed is not among them.

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not oldest[1] then return {} end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local first = tonumber(string.match(oldest[1][1], '^%d+'))
local last = tonumber(string.match(newest[1][1], '^%d+'))
local block = tonumber(ARGV[1])
local one_each = ARGV[2] == '1'

local seen, sequences = {}, {}
local function note(sequence)
  if sequence >= first and sequence <= last and not seen[sequence] then
    seen[sequence] = true
    sequences[#sequences + 1] = sequence
  end
  return sequence >= first
end

for i = 3, #ARGV do
  local prefix, found = ARGV[i], false
  -- A write that began in the block before may reach into the first one.
  for number = math.max(math.floor(first / block) - 1, 0), math.floor(last / block) do
    local members = redis.call('ZRANGEBYLEX', KEYS[2] .. string.format('%d', number),
      '[' .. prefix, '(' .. prefix .. '\255')
    for _, member in ipairs(members) do
      local at = #prefix + 1
      local begin = struct.unpack('>I8', member, at)
      for offset = at + 8, #member, 2 do
        found = note(begin + struct.unpack('>H', member, offset)) or found
        if found and one_each then break end
      end
      if found and one_each then break end
    end
    if found and one_each then break end
  end
end

table.sort(sequences)
local entries = {}
for i, sequence in ipairs(sequences) do
  local id = string.format('%d-0', sequence)
  entries[i] = redis.call('XRANGE', KEYS[1], id, id)[1]
end
return entries
