-- preempt-7: take a batch of reservations, some of which may displace others.
--
-- Purpose    As commit-7; where a request lacks room, live reservations of strictly lower priority are displaced for it.
-- Guarantee  As commit-7. Displacing and reserving are one step: just enough is displaced (ric_sim.store.preemption says
--            who), and nobody at all if it would not suffice or if the latency would be over budget even then.
-- KEYS       1 state, 2 limits, 3 expiry, 4 commits, 5 log, 6 conflicts, 7 conflict_counts
-- ARGV       1 now_ms, decimal; 2 requests; 3 versions planned on; 4 version the store must have reached, decimal
--            Requests are packed one after the other (codec.REQUEST_HEADER). For each the version it was planned on, packed
--            u64, 0 if unknown: conflicts are logged; empty: they are not. Without 4 any version will do.
-- Returns    {0, outcomes, displaced, request, ...}  decided: packed outcomes in order (codec.OUTCOME); for each request
--                                         the flow ids it displaced, a line each; then, for each conflict in order, the
--                                         request that holds the flow id
--            {1}                          more was due than one call expires: expired some, decided none, call again
--            {2, ''}                      the namespace is not created
--            {3, why}                     a request or now_ms is invalid; nothing changed
--            {4, why}                     the namespace breaks an invariant; nothing changed
--            {7, version}                 the store went back to that version; nothing changed
-- Units      emulated milliseconds, microseconds of latency, nanoseconds of processing, kbps and micro-cores
-- @include codes layout ledger conflicts takers requests

local IDS_PER_READ = 1000 -- Lua's stack takes some thousand arguments
local holdings -- flow id -> live reservation; read when a request of this call first lacks room

local function holding_of(id, committed)
    local commit_version, _, at = unpack_at(COMMITTED_HEADER, committed)
    local id_bytes, _, _, _, _, n_entries, n_hosts, _, first = unpack_at(REQUEST_HEADER, committed, at)
    return {
        id = id,
        version = commit_version,
        priority = math.floor(n_hosts / PRIORITIES),
        committed = committed,
        entries_at = first + id_bytes,
        n_entries = n_entries,
    }
end

-- Resource -> amount of a holding; most holdings are never asked.
local function amounts_of(held)
    if not held.amounts then
        local flat, amounts = numbers(held.committed, held.entries_at, 2 * held.n_entries), {}
        for i = 1, #flat, 2 do
            amounts[flat[i]] = flat[i + 1]
        end
        held.amounts = amounts
    end
    return held.amounts
end

-- All that lives: what is stored and has not been expired by this call, and what this call has reserved so far.
local function read_holdings()
    local ids, ended, found = redis.call('ZRANGE', KEYS[3], 0, -1), {}, {}
    for _, id in ipairs(gone) do
        ended[id] = true
    end
    for first = 1, #ids, IDS_PER_READ do
        local last = math.min(first + IDS_PER_READ - 1, #ids)
        local commits = redis.call('HMGET', KEYS[4], unpack(ids, first, last))
        for i = first, last do
            local id, committed = ids[i], commits[i - first + 1]
            if not committed then
                return 'reservation of ' .. id .. ' has no commit'
            end
            if not ended[id] then
                found[id] = holding_of(id, committed)
            end
        end
    end
    for i = 1, #taken, 2 do
        found[taken[i]] = holding_of(taken[i], taken[i + 1])
    end
    holdings = found
end

-- Whether a holding frees anything outstanding, how many resources it settles at once, and, if none, how much of the first.
local function weigh(amounts, short, outstanding)
    local useful, settled, first = false, 0, nil
    for _, resource in ipairs(short) do
        local lack, amount = outstanding[resource], amounts[resource]
        if lack then
            first = first or resource
            if amount then
                useful = true
                if amount >= lack then
                    settled = settled + 1
                end
            end
        end
    end
    return useful, settled, settled == 0 and amounts[first] or 0
end

-- Lower priority before higher, then who settles more, then who frees more, then the newer.
local function is_better(a, b)
    if a.held.priority ~= b.held.priority then
        return a.held.priority < b.held.priority
    end
    if a.settled ~= b.settled then
        return a.settled > b.settled
    end
    if a.most ~= b.most then
        return a.most > b.most
    end
    return a.held.version > b.held.version
end

local function best_of(candidates, short, outstanding)
    local best
    for _, held in pairs(candidates) do
        local useful, settled, most = weigh(amounts_of(held), short, outstanding)
        if useful then
            local rated = { held = held, settled = settled, most = most }
            if not best or is_better(rated, best) then
                best = rated
            end
        end
    end
    return best and best.held
end

local function candidates_below(priority)
    local candidates = {}
    for id, held in pairs(holdings) do
        if held.priority < priority then
            candidates[id] = held
        end
    end
    return candidates
end

-- Spares whom the others make superfluous: highest priority first, then the oldest.
local function without_spare(chosen, short, lacks)
    local by_worth, freed, spared, kept = {}, {}, {}, {}
    for i, held in ipairs(chosen) do
        by_worth[i] = held
        for _, resource in ipairs(short) do
            freed[resource] = (freed[resource] or 0) + (amounts_of(held)[resource] or 0)
        end
    end
    table.sort(by_worth, function(a, b)
        if a.priority ~= b.priority then
            return a.priority > b.priority
        end
        return a.version < b.version
    end)
    for _, held in ipairs(by_worth) do
        local amounts, superfluous = amounts_of(held), true
        for _, resource in ipairs(short) do
            superfluous = superfluous and freed[resource] - (amounts[resource] or 0) >= lacks[resource]
        end
        if superfluous then
            spared[held.id] = true
            for _, resource in ipairs(short) do
                freed[resource] = freed[resource] - (amounts[resource] or 0)
            end
        end
    end
    for _, held in ipairs(chosen) do
        if not spared[held.id] then
            kept[#kept + 1] = held
        end
    end
    return kept
end

-- Whom to displace to free `lacks` of the resources `short`, in order of choice; nil if all together are not enough.
local function choose_victims(priority, short, lacks)
    local candidates, outstanding, chosen = candidates_below(priority), {}, {}
    for resource, lack in pairs(lacks) do
        outstanding[resource] = lack
    end
    while next(outstanding) do
        local best = best_of(candidates, short, outstanding)
        if not best then
            return nil
        end
        candidates[best.id] = nil
        chosen[#chosen + 1] = best
        for resource, amount in pairs(amounts_of(best)) do
            local lack = outstanding[resource]
            if lack then
                outstanding[resource] = lack > amount and lack - amount or nil
            end
        end
    end
    return without_spare(chosen, short, lacks)
end

-- Ends a reservation for `winner`. One of this very call has a deadline that is not written yet.
local function displace(held, winner)
    for i = #deadlines, 2, -2 do
        if deadlines[i] == held.id then
            table.remove(deadlines, i)
            table.remove(deadlines, i - 1)
        end
    end
    holdings[held.id] = nil
    return give_back(KIND_PREEMPT, held.id, held.committed, winner)
end

local function missing(request)
    local short, lacks, values = {}, {}, request.values
    for i = 1, request.entries_end, 2 do
        local resource = values[i]
        local lack = used(resource) + values[i + 1] - limit(resource)
        if lack > 0 then
            short[#short + 1], lacks[resource] = resource, lack
        end
    end
    return short, lacks
end

-- What all victims hold, resource -> amount.
local function held_by(victims)
    local freed = {}
    for _, held in ipairs(victims) do
        for resource, amount in pairs(amounts_of(held)) do
            freed[resource] = (freed[resource] or 0) + amount
        end
    end
    return freed
end

local function decide(request)
    local short, lacks = missing(request)
    local victims = {}
    if #short > 0 then
        local may_displace = request.displaces and request.priority > 0
        local fault = may_displace and not holdings and read_holdings()
        if fault then
            return nil, fault
        end
        victims = may_displace and choose_victims(request.priority, short, lacks)
        if not victims then
            return overfull(request, short[1])
        end
    end
    local latency = latency_of(request, held_by(victims))
    if latency > request.budget then
        return aborted(CAUSE_LATENCY_BUDGET, latency, -1, 0, 0)
    end
    local ids = {}
    for i, held in ipairs(victims) do
        local code, why = displace(held, request.id)
        if code ~= REPLY_OK then
            return nil, why
        end
        note_displaced(request, held.priority, held.committed)
        ids[i] = held.id
    end
    request.displaced = table.concat(ids, '\n')
    local outcome, committed = reserve(request, latency)
    if holdings then
        holdings[request.id] = holding_of(request.id, committed)
    end
    return outcome, committed
end

return decide_all(decide, true)
