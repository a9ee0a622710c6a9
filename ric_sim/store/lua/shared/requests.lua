-- Requests of a batch: their parts, their latency, what becomes of them. Uses the locals of ledger.lua.
local MAX_FLOW_ID_BYTES, MAX_ENTRIES, MAX_HOSTS, MAX_ROUTE_LINKS = 128, 128, 16, 64
local OUTCOME = '>BI8I8Bi4I4I4'
local PRIORITIES = 32 -- the priority stands above the number of hosts in its byte
local SPARES = 128 -- added to the number of links in its byte where nobody may be displaced

-- Entries, hosts and route name resources that exist, each entry another one, and stay within exact arithmetic.
local function fault_of(values, entries_end, hosts_end)
    local n_resources, seen = #limits / 4, {}
    for i = 1, entries_end, 2 do
        local resource = values[i]
        if resource >= n_resources or seen[resource] then
            return 'names resource ' .. resource .. ' twice or it does not exist'
        end
        if values[i + 1] == 0 then
            return 'asks 0 of resource ' .. resource
        end
        seen[resource] = true
    end
    for i = entries_end + 1, hosts_end, 3 do
        local resource = values[i]
        if resource < n_links or resource >= n_resources then
            return 'has host resource ' .. resource .. ', which is no compute resource'
        end
        if values[i + 2] == 0 or limit(resource) * values[i + 1] >= EXACT_INTEGERS then
            return 'has an impossible coefficient or nominal compute for resource ' .. resource
        end
    end
    for i = hosts_end + 1, #values do
        if values[i] >= n_links then
            return 'has link ' .. values[i] .. ' in its route, which does not exist'
        end
    end
    return nil
end

-- The request that begins at `first`, the reason when it is not one, and the position after it.
local function parse(blob, first)
    if #blob - first + 1 < REQUEST_HEADER_BYTES then
        return nil, 'is cut off'
    end
    local id_bytes, service, expiry, budget, propagation, n_entries, n_hosts, n_route, at = unpack_at(REQUEST_HEADER, blob, first)
    local hosts, displaces = n_hosts % PRIORITIES, n_route < SPARES
    n_route = n_route % SPARES
    local entries_end = 2 * n_entries
    local hosts_end = entries_end + 3 * hosts
    local next_first = at + id_bytes + 4 * (hosts_end + n_route)
    if next_first > #blob + 1 then
        return nil, 'is cut off'
    end
    if id_bytes > MAX_FLOW_ID_BYTES or n_entries > MAX_ENTRIES or hosts > MAX_HOSTS or n_route > MAX_ROUTE_LINKS then
        return nil, 'is too large'
    end
    local id = sub(blob, at, at + id_bytes - 1)
    if id == '' or string.find(id, '[^\32-\126]') then
        return nil, 'has a flow id that is not 1 to 128 printable ASCII characters'
    end
    if n_entries == 0 or expiry >= EXACT_INTEGERS then
        return nil, 'reserves nothing or expires after 2^53-1'
    end
    local values = numbers(blob, at + id_bytes, hosts_end + n_route)
    local request = {
        id = id,
        service = service,
        expiry = expiry,
        budget = budget,
        propagation = propagation,
        priority = (n_hosts - hosts) / PRIORITIES,
        displaces = displaces,
        values = values, -- entries (resource, amount), then hosts (resource, coefficient, nominal), then the route
        entries_end = entries_end,
        hosts_end = hosts_end,
        packed = sub(blob, first, next_first - 1),
    }
    return request, fault_of(values, entries_end, hosts_end), next_first
end

local function parse_all(blob)
    local requests, ids, first = {}, {}, 1
    while first <= #blob do
        local request, fault, next_first = parse(blob, first)
        if fault then
            return nil, 'request ' .. #requests + 1 .. ' of the batch ' .. fault
        end
        requests[#requests + 1], ids[#ids + 1], first = request, request.id, next_first
    end
    return requests, ids
end

-- Propagation plus floor(used * coefficient / (nominal * 1000)) of every host. Exact: used <= limit and limit *
-- coefficient < 2^53, so the product x and the divisor d = nominal * 1000 < 2^42 are exact integers. Where x/d is an
-- integer the division is exact. Elsewhere it lies at least 1/d below the next integer, and rounding to a double moves
-- it by at most half a unit in the last place, x/d * 2^-53 < 1/d; so floor() never sees that integer.
-- `freed`, if any: resource -> amount that is as good as given back.
local function latency_of(request, freed)
    local values, latency = request.values, request.propagation
    for i = request.entries_end + 1, request.hosts_end, 3 do
        local resource = values[i]
        local amount = used(resource) - (freed and freed[resource] or 0)
        latency = latency + math.floor(amount * values[i + 1] / (values[i + 2] * 1000))
    end
    return latency
end

local function aborted(cause, latency, resource, amount, most)
    counters[3 + cause] = counters[3 + cause] + 1
    return pack(OUTCOME, STATUS_ABORTED, version, latency, cause, resource, amount, most)
end

-- Refused for want of `resource`.
local function overfull(request, resource)
    note_overfull(request, resource)
    local cause = resource < n_links and CAUSE_LINK_CAPACITY or CAUSE_COMPUTE_CAPACITY
    return aborted(cause, 0, resource, used(resource), limit(resource))
end

-- Takes all the request asks; the outcome, and what the commits hash is to hold.
local function reserve(request, latency)
    local values = request.values
    for i = 1, request.entries_end, 2 do
        local resource = values[i]
        set_used(resource, used(resource) + values[i + 1])
    end
    append(KIND_COMMIT, latency, request.packed)
    counters[STATUS_COMMITTED] = counters[STATUS_COMMITTED] + 1
    local committed = pack(COMMITTED_HEADER, version, latency) .. request.packed
    taken[#taken + 1], taken[#taken + 2] = request.id, committed
    deadlines[#deadlines + 1], deadlines[#deadlines + 2] = request.expiry, request.id
    return pack(OUTCOME, STATUS_COMMITTED, version, latency, CAUSE_NONE, -1, 0, 0), committed
end

-- The outcome of a flow id that is committed already: `committed` is its value in the commits hash.
local function recall(request, committed, conflicts)
    local first_version, latency = unpack_at(COMMITTED_HEADER, committed)
    local holder = sub(committed, COMMITTED_HEADER_BYTES + 1)
    local status, counter = STATUS_DUPLICATE, 2
    if holder ~= request.packed then
        status, counter = STATUS_CONFLICT, 3
        conflicts[#conflicts + 1] = holder
    end
    counters[counter] = counters[counter] + 1
    return pack(OUTCOME, status, first_version, latency, CAUSE_NONE, -1, 0, 0)
end

-- Expires what is due, decides every request with `decide` (outcome, value of the commits hash; or nil and what is
-- corrupt) and writes. Returns what the script returns; with `tells_displaced` whom each request displaced, too.
local function decide_all(decide, tells_displaced)
    local code, why = open(ARGV[1], ARGV[4])
    if code ~= REPLY_OK then
        return { code, why }
    end
    local requests, ids = parse_all(ARGV[2])
    if not requests then
        return { REPLY_INVALID, ids }
    end
    if not set_planned(requests, ARGV[3] or '') then
        return { REPLY_INVALID, 'the versions planned on are not one 8-byte value for each request' }
    end
    code, why = sweep()
    if code == REPLY_CORRUPT then
        return { REPLY_CORRUPT, why }
    end
    if code == REPLY_MORE_DUE then
        save()
        return { REPLY_MORE_DUE }
    end
    local known = #ids > 0 and redis.call('HMGET', KEYS[4], unpack(ids)) or {}
    local decided, outcomes, conflicts, displaced = {}, {}, {}, {}
    for i, request in ipairs(requests) do
        local committed = known[i] or decided[request.id]
        if committed then
            outcomes[i] = recall(request, committed, conflicts)
        else
            outcomes[i], decided[request.id] = decide(request)
            if not outcomes[i] then
                return { REPLY_CORRUPT, decided[request.id] }
            end
        end
        displaced[i] = request.displaced or ''
    end
    save()
    save_conflicts(KEYS[6], KEYS[7])
    if tells_displaced then
        return { REPLY_OK, table.concat(outcomes), displaced, unpack(conflicts) }
    end
    return { REPLY_OK, table.concat(outcomes), unpack(conflicts) }
end
