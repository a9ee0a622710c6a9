-- The namespace as one call sees it. `open` reads it, everything after works on Lua tables, `save` writes once at the
-- end: Redis does not roll a failed script back, so nothing may be written before all of the call is known to succeed.
-- KEYS of every script that includes this: 1 state, 2 limits, 3 expiry, 4 commits, 5 log.
local pack, unpack_at, sub, rep = struct.pack, struct.unpack, string.sub, string.rep
local MAX_SWEEP = 256 -- expiries in one call; bounds how long it holds the server

local state, limits, header -- as stored
local n_links, version, now, chain -- decoded, then kept up to date
local counters -- of the statuses and causes in the order of codec.Counters
local used_now = {} -- resource -> used amount, as far as this call has looked
local changed, n_changed = {}, 0 -- resource -> true where used_now differs from what is stored; how many
local records, taken, deadlines, gone = {}, {}, {}, {} -- to append, to HSET, to ZADD, to ZREM

-- `least`: version that the store must have reached, decimal; none: any.
local function open(now_text, least)
    now = tonumber(now_text)
    if not now or not (now >= 0 and now < EXACT_INTEGERS and now % 1 == 0) then
        return REPLY_INVALID, 'now_ms ' .. now_text .. ' is not an integer from 0 to 2^53-1'
    end
    state, limits = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
    if not state or not limits then
        return REPLY_NOT_CREATED, ''
    end
    if #state ~= STATE_HEADER_BYTES + #limits then
        return REPLY_CORRUPT, 'state and limits are of different length'
    end
    header = sub(state, 1, STATE_HEADER_BYTES)
    local format, seen
    local c = {}
    format, n_links, version, seen, chain, c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8] = unpack_at(STATE_HEADER, header)
    if format ~= FORMAT_VERSION then
        return REPLY_CORRUPT, 'state format ' .. format .. ', this script writes ' .. FORMAT_VERSION
    end
    if version < tonumber(least or 0) then
        return REPLY_WENT_BACK, version
    end
    now, counters = math.max(now, seen), c
    return REPLY_OK
end

local function used(resource)
    local amount = used_now[resource]
    if not amount then
        amount = unpack_at('>I4', state, STATE_HEADER_BYTES + 4 * resource + 1)
        used_now[resource] = amount
    end
    return amount
end

local function set_used(resource, amount)
    used_now[resource] = amount
    if not changed[resource] then
        changed[resource], n_changed = true, n_changed + 1
    end
end

local function limit(resource)
    return (unpack_at('>I4', limits, 4 * resource + 1))
end

-- `count` numbers that lie in `blob` from `first`.
local function numbers(blob, first, count)
    local values = { unpack_at('>' .. rep('I4', count), blob, first) }
    values[count + 1] = nil -- unpack adds the next position
    return values
end

local function append(kind, latency, request)
    version = version + 1
    local record = pack(RECORD_HEADER, version, kind, now, latency) .. request
    chain = redis.sha1hex(chain .. record)
    records[#records + 1] = { string.format('%d-0', version + 1), record, chain }
end

-- Gives the amounts of a live reservation back and logs it; `committed` is its value in the commits hash, `winner` the
-- flow id that it makes room for, if any.
local function give_back(kind, id, committed, winner)
    if not committed then
        return REPLY_CORRUPT, 'reservation of ' .. id .. ' has no commit'
    end
    local _, latency, at = unpack_at(COMMITTED_HEADER, committed)
    local id_bytes, _, _, _, _, n_entries = unpack_at(REQUEST_HEADER, committed, at)
    local flat = numbers(committed, at + REQUEST_HEADER_BYTES + id_bytes, 2 * n_entries)
    for i = 1, #flat, 2 do
        local resource = flat[i]
        local rest = used(resource) - flat[i + 1]
        if rest < 0 then
            return REPLY_CORRUPT, 'reservation of ' .. id .. ' holds more of resource ' .. resource .. ' than is used'
        end
        set_used(resource, rest)
    end
    gone[#gone + 1] = id
    append(kind, latency, sub(committed, COMMITTED_HEADER_BYTES + 1) .. (winner or ''))
    return REPLY_OK
end

-- Expires what is due at `now`, earliest first, at most MAX_SWEEP; REPLY_MORE_DUE when some is left.
local function sweep()
    local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, MAX_SWEEP + 1)
    if #due == 0 then
        return REPLY_OK
    end
    local outcome = REPLY_OK
    if #due > MAX_SWEEP then
        due[#due], outcome = nil, REPLY_MORE_DUE
    end
    local commits = redis.call('HMGET', KEYS[4], unpack(due))
    for i, id in ipairs(due) do
        local code, why = give_back(KIND_EXPIRE, id, commits[i])
        if code ~= REPLY_OK then
            return code, why
        end
        counters[8] = counters[8] + 1
    end
    return outcome
end

-- The state with all changed amounts in place: cheaper than single writes where much has changed.
local function whole_state(header_now)
    local pieces, kept = { header_now }, STATE_HEADER_BYTES + 1
    for resource = 0, #limits / 4 - 1 do
        if changed[resource] then
            local at = STATE_HEADER_BYTES + 4 * resource + 1
            if at > kept then
                pieces[#pieces + 1] = sub(state, kept, at - 1)
            end
            pieces[#pieces + 1] = pack('>I4', used_now[resource])
            kept = at + 4
        end
    end
    pieces[#pieces + 1] = sub(state, kept)
    return table.concat(pieces)
end

local function save_state()
    local header_now = pack(STATE_HEADER, FORMAT_VERSION, n_links, version, now, chain, unpack(counters))
    if n_changed * 64 > #limits then -- more than a sixteenth of all amounts
        redis.call('SET', KEYS[1], whole_state(header_now))
        return
    end
    if header_now ~= header then
        redis.call('SETRANGE', KEYS[1], 0, header_now)
    end
    for resource in pairs(changed) do
        redis.call('SETRANGE', KEYS[1], STATE_HEADER_BYTES + 4 * resource, pack('>I4', used_now[resource]))
    end
end

-- The log goes first: it is the one key this call has not read, so a foreign value there fails before any write.
local function save()
    for _, record in ipairs(records) do
        redis.call('XADD', KEYS[5], record[1], 'r', record[2], 'h', record[3])
    end
    save_state()
    if #gone > 0 then
        redis.call('ZREM', KEYS[3], unpack(gone))
    end
    if #deadlines > 0 then
        redis.call('ZADD', KEYS[3], unpack(deadlines))
    end
    if #taken > 0 then
        redis.call('HSET', KEYS[4], unpack(taken))
    end
end
