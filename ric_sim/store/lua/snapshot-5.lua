-- snapshot-5: read the used amounts as they are at a moment of emulated time.
--
-- Purpose    Expires what is due at now_ms, then returns the state, in one exchange.
-- Guarantee  Amounts, version and time belong together; nothing due at now_ms is counted as used.
-- KEYS       1 state, 2 limits, 3 expiry, 4 commits, 5 log
-- ARGV       1 now_ms, decimal; 2 version that the store must have reached, decimal; none: any
-- Returns    {0, state}  codec.STATE_HEADER and the used amounts
--            {1}         more was due than one call expires: expired some, call again
--            {2, ''}     the namespace is not created
--            {3, why}    now_ms is invalid; nothing changed
--            {4, why}    the namespace breaks an invariant; nothing changed
--            {7, version}  the store went back to that version; nothing changed
-- Units      emulated milliseconds, kbps and micro-cores
-- @include codes layout ledger

local code, why = open(ARGV[1], ARGV[2])
if code == REPLY_OK then
    code, why = sweep()
end
if code ~= REPLY_OK and code ~= REPLY_MORE_DUE then
    return { code, why }
end
save()
if code == REPLY_MORE_DUE then
    return { REPLY_MORE_DUE }
end
return { REPLY_OK, redis.call('GET', KEYS[1]) }
