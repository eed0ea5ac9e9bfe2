-- @noindex
-- Which tracks of the project stand for buses of a drop; changes nothing. Needs REAPER 6.30 or newer, no extensions.
--
-- A bus that the drop did not make itself is looked for where its sends went the last time, then by the patterns of the
-- preset, then as the same bus of another drop, then by its name. What is found stays as it is.

local lib = ...
local r, edit = reaper, lib.edit
local buses = {}
local SENDS, HARDWARE = 0, 1

local function value(track, key)
  return r.GetMediaTrackInfo_Value(track, key)
end

local function send_to(track, index)
  return r.GetTrackSendInfo_Value(track, SENDS, index, "P_DESTTRACK")
end

-- Says whether a track has a send to another.
function buses.has_send(from, to)
  for i = 0, r.GetTrackNumSends(from, SENDS) - 1 do
    if send_to(from, i) == to then return true end
  end
  return false
end

-- Returns where sends of our tracks go that were made for a bus, by the identity of the bus.
local function remembered(tracks)
  local found = {}
  for _, track in pairs(tracks) do
    for i = 0, r.GetTrackNumSends(track, SENDS) - 1 do
      local id = edit.send_identity(track, i)
      if id then found[id] = send_to(track, i) end
    end
  end
  return found
end

-- Says whether what goes into a track is heard: neither it nor all that it feeds is muted, nor part of what was
-- rendered, which is muted with the import and whose effects are in the stems already.
local function is_heard(track, closed, seen)
  if seen[track] or closed[r.GetTrackGUID(track)] or value(track, "B_MUTE") == 1 then return false end
  seen[track] = true
  local parent = r.GetParentTrack(track)
  if value(track, "B_MAINSEND") == 1 and (not parent or is_heard(parent, closed, seen)) then return true end
  for i = 0, r.GetTrackNumSends(track, SENDS) - 1 do
    local is_muted = r.GetTrackSendInfo_Value(track, SENDS, i, "B_MUTE") == 1
    if not is_muted and is_heard(send_to(track, i), closed, seen) then return true end
  end
  return r.GetTrackNumSends(track, HARDWARE) > 0
end

-- Says whether a track goes on as the preset says of a bus: to `target` (nil: the master, false: what no track leads
-- to), with all its sends.
local function leads_on(track, spec, target, found)
  for _, send in ipairs(spec.sends or {}) do
    local to = found.tracks[send.to]
    if not to or not buses.has_send(track, to) then return false end
  end
  if value(track, "B_MAINSEND") == 1 then return r.GetParentTrack(track) == target end
  return target and buses.has_send(track, target)
end

-- Turns 'DRUM*' into a pattern of Lua; any case.
local function pattern_of(wildcard)
  local escaped = wildcard:lower():gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0")
  return "^" .. escaped:gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

-- Returns the tracks that may stand for a bus, in order: track, name, id (nil for the user's own).
local function candidates(closed)
  local found = {}
  for i = 0, r.CountTracks(edit.PROJECT) - 1 do
    local track = r.GetTrack(edit.PROJECT, i)
    local ok, name = r.GetSetMediaTrackInfo_String(track, "P_NAME", "", false)
    if ok and is_heard(track, closed, {}) then
      table.insert(found, { track = track, name = name, id = edit.identity("MediaTrack", track) })
    end
  end
  return found
end

local function first_of(list, spec, taken, fits)
  for _, one in ipairs(list) do
    local is_wide = value(one.track, "I_NCHAN") >= spec.channels -- what has no channel there would be lost
    if is_wide and not taken[one.track] and fits(one) then return one.track end
  end
  return nil
end

-- Returns the track that stands for a bus, or nil.
local function stand_in(list, spec, taken, target, found)
  for _, wildcard in ipairs(spec.adopt or {}) do
    local pattern = pattern_of(wildcard)
    local track = first_of(list, spec, taken, function(one) return not one.id and one.name:lower():find(pattern) end)
    if track then return track end
  end
  local bus = spec.id:match("/(bus:.*)$")
  return first_of(list, spec, taken, function(one)
    return one.id and one.id:match("/(bus:.*)$") == bus and leads_on(one.track, spec, target, found)
  end) or first_of(list, spec, taken, function(one)
    local is_bus = not one.id and one.name == spec.name and r.CountTrackMediaItems(one.track) == 0
    return is_bus and leads_on(one.track, spec, target, found)
  end)
end

-- Adds tracks to `found` that stand for buses of the drop, one for each bus at most; returns by identity which ones.
-- `join` is the track that the drop feeds, nil for the master.
function buses.adopt(drop, found, join)
  local specs, closed, taken, adopted = {}, {}, {}, {}
  local sent = remembered(found.tracks)
  for _, guid in ipairs(drop.source and drop.source.mute or {}) do closed[guid] = true end
  for _, spec in ipairs(drop.tracks) do
    if not spec.item then specs[spec.id] = spec end
    if found.tracks[spec.id] then taken[found.tracks[spec.id]] = true end
  end
  if join then taken[join] = true end
  local list = candidates(closed)
  local function resolve(spec)
    specs[spec.id] = nil -- a second look at it changes nothing
    if found.tracks[spec.id] then return end
    if specs[spec.parent] then resolve(specs[spec.parent]) end -- first: where a bus leads is part of what it is
    for _, send in ipairs(spec.sends or {}) do
      if specs[send.to] then resolve(specs[send.to]) end
    end
    local target = join
    if spec.parent then target = found.tracks[spec.parent] or false end -- false: a bus that is not there yet
    local track = sent[spec.id] or stand_in(list, spec, taken, target, found)
    if track then found.tracks[spec.id], adopted[spec.id], taken[track] = track, true, true end
  end
  for _, spec in ipairs(drop.tracks) do
    if specs[spec.id] then resolve(specs[spec.id]) end
  end
  return adopted
end

return buses
