-- create-8: open a namespace for one city.
--
-- Purpose    Writes the empty state, the limits, the description and log record 0, or finds that they are there.
-- Guarantee  A namespace belongs to the city it was created for; creating it again for the same city changes nothing.
-- KEYS       1 state, 2 limits, 3 expiry, 4 commits, 5 log, 6 conflicts, 7 conflict_counts, 8 meta
-- ARGV       1 n_links, 2 n_nodes, 3 city fingerprint (64 hex digits), 4 limits (packed u32, links then nodes)
-- Returns    {0}           open
--            {3, why}      the layout is invalid; nothing changed
--            {4, why}      some keys of the namespace are there and the state is not; nothing changed
--            {5, city}     the namespace holds another layout, of that city fingerprint; nothing changed
-- Units      kbps and micro-cores in limits
-- @include codes layout

local n_links, n_nodes, fingerprint, limits = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
if not (n_links and n_nodes and n_links >= 1 and n_nodes >= 1 and #limits == 4 * (n_links + n_nodes)) then
    return { REPLY_INVALID, 'the limits do not have one 4-byte value for each link and node' }
end
if #fingerprint ~= 64 or string.find(fingerprint, '[^0-9a-f]') then
    return { REPLY_INVALID, 'the city fingerprint is not 64 lower-case hex digits' }
end
if redis.call('EXISTS', KEYS[1]) == 1 then
    local held = redis.call('HMGET', KEYS[8], 'n_links', 'n_nodes', 'city_fingerprint')
    local same = held[1] == ARGV[1] and held[2] == ARGV[2] and held[3] == fingerprint
    if same and redis.call('GET', KEYS[2]) == limits then
        return { REPLY_OK }
    end
    return { REPLY_OTHER_LAYOUT, held[3] or '' }
end
if redis.call('EXISTS', unpack(KEYS, 2)) > 0 then
    return { REPLY_CORRUPT, 'the state is missing but other keys of the namespace exist' }
end
local layout = struct.pack('>I4I4', n_links, n_nodes) .. fingerprint .. redis.sha1hex(limits)
local record = struct.pack(RECORD_HEADER, 0, KIND_CREATE, 0, 0) .. layout
local chain = redis.sha1hex(record)
local header = struct.pack(STATE_HEADER, FORMAT_VERSION, n_links, 0, 0, chain, 0, 0, 0, 0, 0, 0, 0, 0)
redis.call('XADD', KEYS[5], '1-0', 'r', record, 'h', chain)
redis.call('SET', KEYS[1], header .. string.rep('\0', #limits))
redis.call('SET', KEYS[2], limits)
redis.call('HSET', KEYS[8], 'format', FORMAT_VERSION, 'n_links', n_links, 'n_nodes', n_nodes, 'city_fingerprint', fingerprint)
return { REPLY_OK }
