-- advance-5: move emulated time on.
--
-- Purpose    Expires what is due at now_ms, a bounded number in one call.
-- Guarantee  Every reservation expires once, none before its time; time never runs backwards.
-- KEYS       1 state, 2 limits, 3 expiry, 4 commits, 5 log
-- ARGV       1 now_ms, decimal; 2 version that the store must have reached, decimal; none: any
-- Returns    {0, n}    n expired, nothing more is due
--            {1, n}    n expired, more is due: call again
--            {2, ''}   the namespace is not created
--            {3, why}  now_ms is invalid; nothing changed
--            {4, why}  the namespace breaks an invariant; nothing changed
--            {7, version}  the store went back to that version; nothing changed
-- Units      emulated milliseconds
-- @include codes layout ledger

local code, why = open(ARGV[1], ARGV[2])
if code == REPLY_OK then
    code, why = sweep()
end
if code ~= REPLY_OK and code ~= REPLY_MORE_DUE then
    return { code, why }
end
save()
return { code, #gone }
