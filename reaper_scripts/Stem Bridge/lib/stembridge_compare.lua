-- @noindex
-- What a project lacks of a drop; changes nothing. Needs REAPER 6.30 or newer, no extensions.
--
-- Every track, item and take carries its identity in P_EXT, inside the project, so that undo takes it back too.

local lib = ...
local r, edit, buses = reaper, lib.edit, lib.buses
local compare = {}
local MARKER_TOLERANCE = 0.001 -- seconds; of changes of tempo too
local BPM_TOLERANCE = 1e-6
local MOST_GUIDS = 8 -- of a source, in an item: enough to know it again

-- Returns what the project holds of any drop: tracks, items and takes by identity.
function compare.survey()
  local found = { tracks = {}, items = {}, takes = {} }
  local function keep(list, kind, object)
    local id = edit.identity(kind, object)
    if id and not list[id] then list[id] = object end
  end
  for i = 0, r.CountTracks(edit.PROJECT) - 1 do
    keep(found.tracks, "MediaTrack", r.GetTrack(edit.PROJECT, i))
  end
  for i = 0, r.CountMediaItems(edit.PROJECT) - 1 do
    local item = r.GetMediaItem(edit.PROJECT, i)
    keep(found.items, "MediaItem", item)
    for t = 0, r.CountTakes(item) - 1 do
      local take = r.GetTake(item, t)
      if take then keep(found.takes, "MediaItemTake", take) end
    end
  end
  return found
end

local function is_occupied(track, start, seconds)
  for i = 0, r.CountTrackMediaItems(track) - 1 do
    local item = r.GetTrackMediaItem(track, i)
    local position = r.GetMediaItemInfo_Value(item, "D_POSITION")
    local length = r.GetMediaItemInfo_Value(item, "D_LENGTH")
    if position < start + seconds and position + length > start then return true end
  end
  return false
end

-- Returns the seconds at which the drop starts. A time code counts from the project's start time where that can be.
-- Nothing lies before the start of a project.
function compare.start_of(drop)
  local seconds = drop.origin.seconds
  local offset = drop.origin.is_timecode and r.GetProjectTimeOffset(edit.PROJECT, false) or 0
  return math.max(0, seconds >= offset and seconds - offset or seconds)
end

-- Names where a drop comes from, for items to remember: its start in nanoseconds, and what was rendered.
function compare.source_of(drop)
  local what = "title|" .. drop.title
  if drop.source then
    local guids = drop.source.mute or {}
    local some = table.concat(guids, ",", 1, math.min(MOST_GUIDS, #guids))
    what = table.concat({ drop.source.mode, drop.source.parent or "", some }, "|")
  end
  return ("%d|%s"):format(math.floor(compare.start_of(drop) * 1e9 + 0.5), what)
end

-- Says whether anything of a drop is in the project already.
function compare.is_in_project(drop)
  local found = compare.survey()
  for _, spec in ipairs(drop.tracks) do
    if found.tracks[spec.id] or found.items[spec.id] then return true end
  end
  return false
end

local function missing_takes(todo, spec, found, folder)
  local track, item = found.tracks[spec.id], found.items[spec.id]
  if not item and track and is_occupied(track, todo.start, spec.item.seconds) then
    table.insert(todo.notes, ("%s: its track holds another item there, so the stem was left out."):format(spec.name))
    return
  end
  for number, take in ipairs(spec.item.takes) do
    local id = spec.id .. "#" .. number
    if not item or not found.takes[id] then
      local path = folder .. take.file:gsub("/", package.config:sub(1, 1))
      table.insert(todo.takes, { id = id, spec = spec, name = take.name, path = path })
    end
  end
end

local function missing_sends(todo, spec, found)
  local from, is_new = found.tracks[spec.id], todo.is_new
  local function want(to, send)
    local reachable = found.tracks[to] or is_new[to]
    if reachable and (is_new[spec.id] or is_new[to] or not buses.has_send(from, found.tracks[to])) then
      local bus = todo.adopted[to] and to -- kept in the send, so that the user may give the track another name
      table.insert(todo.sends, { from = spec.id, to = to, bus = bus, spec = send, channels = spec.channels })
    end
  end
  if todo.adopted[spec.id] or not from and not is_new[spec.id] then return end
  -- A stem whose master send was switched on again is heard already: one more path would double it.
  local is_heard = from and r.GetMediaTrackInfo_Value(from, "B_MAINSEND") == 1
  local target = todo.targets[spec.id]
  if target and not is_heard then want(target, { volume = 1 }) end
  for _, send in ipairs(spec.sends or {}) do want(send.to, send) end
end

-- Says whether the user wants a render's tempo and markers in a project that has its own.
local function is_map_wanted()
  return r.GetExtState("stembridge", "tempo") == "always"
end

-- Markers go only into a project that has none; the renderer's own project usually has the very same ones.
local function missing_markers(todo, drop)
  local there = r.CountProjectMarkers(edit.PROJECT)
  local function is_there(marker)
    for i = 0, there - 1 do
      local _, _, position, _, name = r.EnumProjectMarkers3(edit.PROJECT, i)
      if name == marker.name and math.abs(position - todo.start - marker.start) < MARKER_TOLERANCE then return true end
    end
    return false
  end
  local missing = {}
  for _, marker in ipairs(drop.markers) do
    if not is_there(marker) then table.insert(missing, marker) end
  end
  if there == 0 or is_map_wanted() and todo.is_first then
    todo.markers = missing
  elseif #missing > 0 and todo.is_first then
    table.insert(todo.notes, ("The project has its own markers, so %d of the render were left out."):format(#missing))
  end
end

-- Returns the render's changes of tempo in seconds of the project, as `TempoMap.since` does: of those before its start
-- the last one holds there. The whole of a project `from_start` has the first tempo before the render too.
local function changes_of(drop, start, from_start)
  local first, later = nil, {}
  for _, change in ipairs(drop.tempo) do
    local seconds = start + change.seconds
    local moved = { seconds = seconds, bpm = change.bpm, num = change.num, den = change.den, ramp = change.ramp }
    if seconds > 0 then table.insert(later, moved) else first = moved end
  end
  if first then
    local after = first.ramp and later[1]
    if after then first.bpm = first.bpm + (after.bpm - first.bpm) * first.seconds / (first.seconds - after.seconds) end
    first.seconds = 0
  elseif from_start then
    first = { seconds = 0, bpm = later[1].bpm, num = later[1].num, den = later[1].den, ramp = false }
  end
  if first then table.insert(later, 1, first) end
  return later
end

-- Returns seconds, measure, beat, BPM, time signature and ramp of a change of tempo of the project, or nil.
local function change_at(index)
  for _ = 1, 2 do -- a second look: one that was missed would stay inside the new map
    local found = table.pack(r.GetTempoTimeSigMarker(edit.PROJECT, index))
    if found[1] then return table.unpack(found, 2, found.n) end
  end
  return nil
end

local function is_same_change(index, change)
  local at, _, _, bpm, num, den, is_ramp = change_at(index)
  local is_there = at and math.abs(at - change.seconds) < MARKER_TOLERANCE
  local is_as_quick = is_there and math.abs(bpm - change.bpm) < BPM_TOLERANCE and is_ramp == change.ramp
  return is_as_quick and num == change.num and den == change.den
end

-- The tempo map goes into an empty project, or takes the place of the project's own map from the render's start to the
-- map's last change, where the user wants that; what lies outside stays.
local function missing_tempo(todo, drop)
  local count = r.CountTempoTimeSigMarkers(edit.PROJECT)
  local is_empty = r.CountTracks(edit.PROJECT) == 0 and count == 0
  if not drop.tempo or not is_empty and not (is_map_wanted() and todo.is_first) then return end
  local changes = changes_of(drop, todo.start, is_empty)
  local first, last = changes[1].seconds, changes[#changes].seconds
  local within = {}
  for i = 0, count - 1 do
    local at = change_at(i)
    if at and at > first - MARKER_TOLERANCE and at < last + MARKER_TOLERANCE then table.insert(within, i) end
  end
  local is_same = #within == #changes
  for number, change in ipairs(changes) do
    is_same = is_same and is_same_change(within[number], change)
  end
  if not is_same then todo.tempo, todo.old_tempo = changes, within end
end

-- Decides where each track goes: into a folder above it, to another track by a send, or (nil) to the master.
-- In a layout of folders a new track lies in its bus only when all of the drop is new; later ones are sent there.
local function choose_routes(todo, drop, found)
  local join = todo.join and "join" or nil
  todo.levels, todo.targets = {}, {}
  for _, spec in ipairs(drop.tracks) do
    local above = spec.bus or spec.parent
    local is_inside = above and drop.layout == "folders" and todo.is_first and not todo.adopted[above]
    todo.levels[spec.id] = is_inside and todo.levels[above] + 1 or 0
    if not is_inside then todo.targets[spec.id] = above or join end
  end
  if join then found.tracks[join] = todo.join end
end

local function track_by_guid(guid)
  for i = 0, r.CountTracks(edit.PROJECT) - 1 do
    local track = r.GetTrack(edit.PROJECT, i)
    if r.GetTrackGUID(track) == guid then return track end
  end
  return nil
end

local function item_by_guid(guid)
  for i = 0, r.CountMediaItems(edit.PROJECT) - 1 do
    local item = r.GetMediaItem(edit.PROJECT, i)
    local ok, own = r.GetSetMediaItemInfo_String(item, "GUID", "", false)
    if ok and own == guid then return item end
  end
  return nil
end

-- Finds the track whose input the stems join, or nil for the master.
local function track_to_join(drop)
  return drop.source and drop.source.parent and track_by_guid(drop.source.parent)
end

-- Finds what is muted because the stems take its place.
local function find_source(todo, drop)
  local source = drop.source
  if not source then return end
  if source.parent and not todo.join and todo.is_first then
    table.insert(todo.notes, "The track that the stems belong to is not in this project: they go to the master.")
  end
  if not todo.is_first or r.GetExtState("stembridge", "mute_source") == "no" then return end
  for _, guid in ipairs(source.mute or {}) do
    local track = track_by_guid(guid)
    local item = not track and item_by_guid(guid)
    if track then
      table.insert(todo.mutes, { kind = "MediaTrack", object = track })
    elseif item then
      table.insert(todo.mutes, { kind = "MediaItem", object = item })
    end
  end
end

-- Says so where a surround render's channels have no way out of the project.
local function tell_of_channels(todo, drop)
  local there = r.GetMediaTrackInfo_Value(todo.join or r.GetMasterTrack(edit.PROJECT), "I_NCHAN")
  local wanted = 2
  for _, spec in ipairs(drop.tracks) do wanted = math.max(wanted, spec.channels) end
  if not todo.is_first or there >= wanted then return end
  local text = "The stems have %d channels, and the track they go to has %d: raise its track channels to hear them all."
  table.insert(todo.notes, text:format(wanted, math.floor(there)))
end

-- Returns what is to be made; changes nothing.
function compare.missing(drop, found, folder)
  local todo = { start = compare.start_of(drop), tracks = {}, takes = {}, sends = {}, markers = {}, notes = {} }
  todo.tempo, todo.old_tempo, todo.mutes, todo.is_new, todo.is_first = {}, {}, {}, {}, true
  todo.join = track_to_join(drop)
  todo.adopted = buses.adopt(drop, found, todo.join)
  for _, spec in ipairs(drop.tracks) do
    -- Without its track but with its item, a stem was moved to a track of the user's.
    if not found.tracks[spec.id] and not found.items[spec.id] then
      todo.is_new[spec.id] = true
      table.insert(todo.tracks, spec)
    elseif not todo.adopted[spec.id] then
      todo.is_first = false
    end
  end
  todo.source = compare.source_of(drop)
  find_source(todo, drop)
  tell_of_channels(todo, drop)
  choose_routes(todo, drop, found)
  for _, spec in ipairs(drop.tracks) do
    if spec.item then missing_takes(todo, spec, found, folder) end
    missing_sends(todo, spec, found)
  end
  missing_markers(todo, drop)
  missing_tempo(todo, drop)
  return todo
end

return compare
