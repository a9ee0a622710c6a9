-- The log of conflicts: bounded, newest last, beside the counts by kind since the namespace was created.
local MAX_CONFLICTS = 10000
local conflicts_noted = {}

-- `entry` says kind and who won against whom; ric_sim.store.conflicts reads it.
local function note_conflict(entry)
    conflicts_noted[#conflicts_noted + 1] = entry
end

-- A log that cannot be written must not undo what has been decided.
local function save_conflicts(log_key, counts_key)
    for _, entry in ipairs(conflicts_noted) do
        redis.pcall('XADD', log_key, 'MAXLEN', '~', MAX_CONFLICTS, '*', 'c', cjson.encode(entry))
        redis.pcall('HINCRBY', counts_key, entry.kind, 1)
    end
end
