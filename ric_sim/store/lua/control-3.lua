-- control-3: set RAN parameters of one E2 node for an xApp.
--
-- Purpose    Decides against what other xApps hold there, then takes the parameters and keeps them for the hold time.
-- Guarantee  All parameters of the call are set or none. A parameter that another xApp holds changes only for a higher
--            priority, and so does a KPI that another xApp is moving the other way; ratios keep their rules throughout.
-- KEYS       1 parameters, 2 conflicts, 3 conflict_counts
-- ARGV       1 node; 2 control, JSON: xapp, priority, now_ms, hold_ms, and for each parameter, in order: name, value,
--            effects ([KPI, 1 or -1]: it rises or falls with the parameter), initial (value where nobody has set it)
-- Returns    {0, version, conflict}  set; the conflict, JSON, whose loser gave way, or ''
--            {6, version, conflict}  refused; the conflict, JSON, that was lost; nothing changed
-- Units      milliseconds of wall clock; ratios in %
-- @include codes conflicts

local node, control = ARGV[1], cjson.decode(ARGV[2])
local stored = redis.call('HGET', KEYS[1], node)
local held = stored and cjson.decode(stored) or { version = 0, parameters = {}, kpis = {} }
local won -- the conflict, if any, that this control decides for itself

-- Whether another xApp holds it still.
local function is_others(holding)
    return holding and holding.xapp ~= control.xapp and holding.until_ms > control.now_ms
end

local function conflict(kind, name, winner, loser, reason)
    return { kind = kind, parameter = node .. '/' .. name, winner = winner, loser = loser, reason = reason }
end

-- The conflict that is lost against `holding`; nil where there is none, or the control has the higher priority.
local function decide(kind, name, holding, what)
    if not is_others(holding) then
        return nil
    end
    local rest_ms = string.format('%d', holding.until_ms - control.now_ms)
    if holding.priority >= control.priority then
        local why = string.format('%s for another %s ms with priority %d, not below %d',
            what, rest_ms, holding.priority, control.priority)
        return conflict(kind, name, holding.xapp, control.xapp, why)
    end
    local why = string.format('priority %d goes before %d: %s for another %s ms',
        control.priority, holding.priority, what, rest_ms)
    won = won or conflict(kind, name, control.xapp, holding.xapp, why)
    return nil
end

local function value_of(parameter)
    local known = held.parameters[parameter.name]
    return known and known.value or parameter.initial
end

-- Which KPIs this control moves, in order: KPI, parameter, way (1, -1, or 0 where its parameters pull both ways).
local function moves()
    local list, by_kpi = {}, {}
    for _, parameter in ipairs(control.parameters) do
        local change = parameter.value - value_of(parameter)
        for _, coupled in ipairs(change ~= 0 and parameter.effects or {}) do
            local kpi, way = coupled[1], change * coupled[2] > 0 and 1 or -1
            if not by_kpi[kpi] then
                by_kpi[kpi] = { kpi = kpi, name = parameter.name, way = way }
                list[#list + 1] = by_kpi[kpi]
            elseif by_kpi[kpi].way ~= way then
                by_kpi[kpi].way = 0
            end
        end
    end
    return list
end

-- Ratios of one slice in the wrong order, whoever asks for them.
local function find_disorder()
    local of_slice = {}
    for _, parameter in ipairs(control.parameters) do
        local slice, part = string.match(parameter.name, '^(%w+)%.(%w+)$')
        of_slice[slice] = of_slice[slice] or {}
        of_slice[slice][part] = parameter.value
        local ratios = of_slice[slice]
        if ratios.dedicated and ratios.min and ratios.max then
            local in_order = 0 <= ratios.dedicated and ratios.dedicated <= ratios.min and ratios.min <= ratios.max
            if not (in_order and ratios.max <= 100) then
                local why = string.format('dedicated %d, min %d, max %d %%: expected 0 <= dedicated <= min <= max <= 100',
                    ratios.dedicated, ratios.min, ratios.max)
                return conflict('rule', slice, 'RRMPolicyRatio', control.xapp, why)
            end
        end
    end
    return nil
end

local function find_direct()
    for _, parameter in ipairs(control.parameters) do
        local holding = held.parameters[parameter.name]
        if holding and holding.value ~= parameter.value then
            local lost = decide('direct', parameter.name, holding, 'held at ' .. holding.value .. ' by ' .. holding.xapp)
            if lost then
                return lost
            end
        end
    end
    return nil
end

local function find_indirect(moved)
    for _, move in ipairs(moved) do
        local holding = held.kpis[move.kpi]
        if holding and move.way * holding.way < 0 then
            local what = string.format('%s is %s by %s through %s', move.kpi, holding.way > 0 and 'raised' or 'lowered',
                holding.xapp, holding.name)
            local lost = decide('indirect', move.name, holding, what)
            if lost then
                return lost
            end
        end
    end
    return nil
end

-- The minima of all slices, as they would be; who else holds the largest of them.
local function find_ratio_conflict()
    local minima, total, largest = {}, 0, nil
    for name, known in pairs(held.parameters) do
        if string.sub(name, -4) == '.min' then
            minima[name] = known
        end
    end
    for _, parameter in ipairs(control.parameters) do
        if string.sub(parameter.name, -4) == '.min' then
            minima[parameter.name] = { value = parameter.value, xapp = control.xapp }
        end
    end
    for name, minimum in pairs(minima) do
        total = total + minimum.value
        local is_larger = not largest or minimum.value > largest.value or (minimum.value == largest.value and name < largest.name)
        if minimum.xapp ~= control.xapp and minimum.value > 0 and is_larger then
            largest = { name = name, value = minimum.value, xapp = minimum.xapp }
        end
    end
    if total <= 100 then
        return nil
    end
    local sum = string.format('the min ratios would add up to %d %%', total)
    if not largest then
        return conflict('rule', 'min', 'RRMPolicyRatio', control.xapp, sum .. ', expected at most 100')
    end
    local why = string.format('%s; %s holds %d %% as %s', sum, largest.xapp, largest.value, largest.name)
    return conflict('capacity', 'min', largest.xapp, control.xapp, why)
end

-- What another xApp holds with no less priority stays its own, also where both want the same.
local function hold(holdings, key, extra)
    if is_others(holdings[key]) and holdings[key].priority >= control.priority then
        return
    end
    extra.xapp, extra.priority, extra.until_ms = control.xapp, control.priority, control.now_ms + control.hold_ms
    holdings[key] = extra
end

local function take(moved)
    for _, parameter in ipairs(control.parameters) do
        hold(held.parameters, parameter.name, { value = parameter.value })
    end
    for _, move in ipairs(moved) do
        if move.way ~= 0 then
            hold(held.kpis, move.kpi, { way = move.way, name = move.name })
        end
    end
    held.version = held.version + 1
    redis.call('HSET', KEYS[1], node, cjson.encode(held))
end

local moved = moves()
local lost = find_disorder() or find_direct() or find_indirect(moved) or find_ratio_conflict()
if not lost then
    take(moved)
end
if lost or won then
    note_conflict(lost or won)
    save_conflicts(KEYS[2], KEYS[3])
end
return { lost and REPLY_LOST or REPLY_OK, held.version, (lost or won) and cjson.encode(lost or won) or '' }
