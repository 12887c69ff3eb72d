-- Reads records of the event log as one string, which costs its reader a fraction of a list of lists.
--
-- KEYS[1]  stream  the log; entry ids are <sequence>-0
-- ARGV[1]  sequence of the first record that is wanted
-- ARGV[2]  how many records at most
-- ARGV[3]  how many bytes of facts at most; the record that reaches them is the last one
--
-- Returns for each record: its sequence (8 bytes), the lengths of source, node id and facts (4 each), and these.

local entries = redis.call('XRANGE', KEYS[1], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
local parts, bytes, limit = {}, 0, tonumber(ARGV[3])
for _, entry in ipairs(entries) do
  local fields = entry[2]
  local source, node, facts = fields[2], fields[4], fields[6]
  local sequence = tonumber(string.match(entry[1], '^%d+'))
  parts[#parts + 1] = struct.pack('>I8I4I4I4', sequence, #source, #node, #facts)
  parts[#parts + 1] = source
  parts[#parts + 1] = node
  parts[#parts + 1] = facts
  bytes = bytes + #facts
  if bytes >= limit then break end
end
return table.concat(parts)
