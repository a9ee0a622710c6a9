-- release-5: give reservations back before they expire.
--
-- Purpose    Expires what is due, then releases each named flow that still holds a reservation.
-- Guarantee  Every amount is given back once; a flow without a reservation changes nothing.
-- KEYS       1 state, 2 limits, 3 expiry, 4 commits, 5 log
-- ARGV       1 now_ms, decimal; 2 version that the store must have reached, decimal, 0: any; 3.. flow ids
-- Returns    {0, flags}  one character a flow id: '1' released, '0' held nothing
--            {1}         more was due than one call expires: expired some, released none, call again
--            {2, ''}     the namespace is not created
--            {3, why}    now_ms is invalid; nothing changed
--            {4, why}    the namespace breaks an invariant; nothing changed
--            {7, version}  the store went back to that version; nothing changed
-- Units      emulated milliseconds
-- @include codes layout ledger

local function release(id, is_live, committed, done)
    if done[id] or not is_live then
        return REPLY_OK, '0'
    end
    local code, why = give_back(KIND_RELEASE, id, committed)
    if code ~= REPLY_OK then
        return code, why
    end
    done[id] = true
    counters[7] = counters[7] + 1
    return REPLY_OK, '1'
end

local code, why = open(ARGV[1], ARGV[2])
if code ~= REPLY_OK then
    return { code, why }
end
code, why = sweep()
if code == REPLY_CORRUPT then
    return { REPLY_CORRUPT, why }
end
local flags, done = {}, {}
for _, id in ipairs(gone) do
    done[id] = true
end
if code == REPLY_OK and #ARGV > 2 then
    local live = redis.call('ZMSCORE', KEYS[3], unpack(ARGV, 3))
    local commits = redis.call('HMGET', KEYS[4], unpack(ARGV, 3))
    for i = 3, #ARGV do
        local released, flag = release(ARGV[i], live[i - 2], commits[i - 2], done)
        if released ~= REPLY_OK then
            return { released, flag }
        end
        flags[i - 2] = flag
    end
end
save()
if code == REPLY_MORE_DUE then
    return { REPLY_MORE_DUE }
end
return { REPLY_OK, table.concat(flags) }
