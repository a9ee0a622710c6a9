-- commit-7: take a batch of reservations.
--
-- Purpose    Expires what is due, then decides each request of the batch on its own, in order.
-- Guarantee  One request is reserved as a whole (all its links, all its compute, within its latency budget) or not at
--            all; a flow id is reserved at most once, ever; a refused batch (any code but 0 and 1) leaves no trace.
-- KEYS       1 state, 2 limits, 3 expiry, 4 commits, 5 log, 6 conflicts, 7 conflict_counts
-- ARGV       1 now_ms, decimal; 2 requests; 3 versions planned on; 4 version the store must have reached, decimal
--            Requests are packed one after the other (codec.REQUEST_HEADER). For each the version it was planned on, packed
--            u64, 0 if unknown: conflicts are logged; empty: they are not. Without 4 any version will do.
-- Returns    {0, outcomes, request, ...}  decided: packed outcomes in order (codec.OUTCOME), then, for each conflict in
--                                         order, the request that holds the flow id
--            {1}                          more was due than one call expires: expired some, decided none, call again
--            {2, ''}                      the namespace is not created
--            {3, why}                     a request or now_ms is invalid; nothing changed
--            {4, why}                     the namespace breaks an invariant; nothing changed
--            {7, version}                 the store went back to that version; nothing changed
-- Units      emulated milliseconds, microseconds of latency, nanoseconds of processing, kbps and micro-cores
-- @include codes layout ledger conflicts takers requests

local function decide(request)
    local values = request.values
    for i = 1, request.entries_end, 2 do
        local resource = values[i]
        if used(resource) + values[i + 1] > limit(resource) then
            return overfull(request, resource)
        end
    end
    local latency = latency_of(request)
    if latency > request.budget then
        return aborted(CAUSE_LATENCY_BUDGET, latency, -1, 0, 0)
    end
    return reserve(request, latency)
end

return decide_all(decide)
