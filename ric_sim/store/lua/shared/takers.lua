-- Who took what a refused commit wanted. Uses the locals of ledger.lua and conflicts.lua.
local WINDOW_RECORDS = 64 -- how far back of a refused commit a winner is looked for; bounds how long that takes

-- Gives each request the version it was planned on; false if `packed` does not hold one for each. '': nothing is logged.
local function set_planned(requests, packed)
    if packed == '' then
        return true
    end
    if #packed ~= 8 * #requests then
        return false
    end
    for i, request in ipairs(requests) do
        request.planned = unpack_at('>I8', packed, 8 * i - 7)
    end
    return true
end

-- Whether a log record from after `planned` is a commit of another service that took of `resource`; then flow id, service
-- and version.
local function taker_in(record, resource, request)
    local record_version, kind, _, _, first = unpack_at(RECORD_HEADER, record)
    if kind ~= KIND_COMMIT or record_version <= request.planned then
        return nil
    end
    local id_bytes, service, _, _, _, n_entries, _, _, at = unpack_at(REQUEST_HEADER, record, first)
    if service == request.service then
        return nil
    end
    local values = numbers(record, at + id_bytes, 2 * n_entries)
    for i = 1, #values, 2 do
        if values[i] == resource then
            return { id = sub(record, at, at + id_bytes - 1), service = service, version = record_version }
        end
    end
    return nil
end

-- Who of another service last took of `resource` since the request was planned: first of this call, then of the log.
local function taker_of(resource, request)
    for i = #records, math.max(1, #records - WINDOW_RECORDS + 1), -1 do
        local taker = taker_in(records[i][2], resource, request)
        if taker then
            return taker
        end
    end
    local since = string.format('%d-0', request.planned + 2)
    for _, entry in ipairs(redis.call('XREVRANGE', KEYS[5], '+', since, 'COUNT', WINDOW_RECORDS)) do
        local taker = taker_in(entry[2][2], resource, request)
        if taker then
            return taker
        end
    end
    return nil
end

-- Logs a refusal for want of `resource` as a conflict if another service has taken it since the request was planned.
local function note_overfull(request, resource)
    local taker = request.planned and taker_of(resource, request)
    if taker then
        note_conflict({
            kind = 'capacity',
            resource = resource,
            winner_flow = taker.id,
            winner_service = taker.service,
            winner_version = taker.version,
            loser_flow = request.id,
            loser_service = request.service,
            planned = request.planned,
            used = used(resource),
            limit = limit(resource),
        })
    end
end

-- Logs that a reservation of less `priority` ends to make room; `committed` is its value in the commits hash.
local function note_displaced(request, priority, committed)
    if request.planned then
        local id_bytes, service, _, _, _, _, _, _, at = unpack_at(REQUEST_HEADER, committed, COMMITTED_HEADER_BYTES + 1)
        note_conflict({
            kind = 'preemption',
            winner_flow = request.id,
            winner_service = request.service,
            winner_priority = request.priority,
            loser_flow = sub(committed, at, at + id_bytes - 1),
            loser_service = service,
            loser_priority = priority,
        })
    end
end
