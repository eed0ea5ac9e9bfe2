-- @noindex
-- Puts one drop into the open project. Needs REAPER 6.30 or newer, no extensions.
--
-- Every track, item and take carries its identity in P_EXT, inside the project, so that undo takes it back too. A
-- second run looks for these identities, restores what is missing, and changes nothing of what is there.

local r = reaper
local PROJECT = 0 -- the active one
local EXT = "P_EXT:stembridge"
local FAILED = "Stem Bridge: failed import"
local COLOR_IS_SET = 0x1000000
local BALANCE, UNITY_PAN_LAW = 3, 1.0 -- for I_PANMODE and D_PANLAW: no gain in the middle, whatever the project says
local POST_FADER, NO_MIDI = 0, 31 -- for I_SENDMODE and I_MIDIFLAGS
local MARKER_TOLERANCE = 0.001 -- seconds
local BUILD_MISSING_PEAKS = 40047

local function fail(message)
  error({ message = message }, 0)
end

local function must(result, what)
  if not result then fail("REAPER could not " .. what .. ".") end
  return result
end

-- Sets numbers of a track, an item or a take, in the order given: key, value, key, value ...
local function set(kind, object, key, value, ...)
  local done = r["Set" .. kind .. "Info_Value"](object, key, value)
  must(done or r["Get" .. kind .. "Info_Value"](object, key) == value, "set " .. key)
  if ... then set(kind, object, ...) end
end

local function set_text(kind, object, key, text)
  must(r["GetSet" .. kind .. "Info_String"](object, key, text, true), "set " .. key)
end

local function identity(kind, object)
  local ok, id = r["GetSet" .. kind .. "Info_String"](object, EXT, "", false)
  return ok and id ~= "" and id or nil
end

-- Returns what the project holds of any drop: tracks, items and takes by identity.
local function survey()
  local found = { tracks = {}, items = {}, takes = {} }
  local function keep(list, kind, object)
    local id = identity(kind, object)
    if id and not list[id] then list[id] = object end
  end
  for i = 0, r.CountTracks(PROJECT) - 1 do
    keep(found.tracks, "MediaTrack", r.GetTrack(PROJECT, i))
  end
  for i = 0, r.CountMediaItems(PROJECT) - 1 do
    local item = r.GetMediaItem(PROJECT, i)
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

local function has_send(from, to)
  for i = 0, r.GetTrackNumSends(from, 0) - 1 do
    if r.GetTrackSendInfo_Value(from, 0, i, "P_DESTTRACK") == to then return true end
  end
  return false
end

-- Returns the seconds at which the drop starts. A time code counts from the project's start time where that can be.
local function start_of(drop)
  local seconds = drop.origin.seconds
  local offset = drop.origin.is_timecode and r.GetProjectTimeOffset(PROJECT, false) or 0
  return seconds >= offset and seconds - offset or seconds
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

local function missing_sends(todo, spec, found, is_new)
  local from = found.tracks[spec.id]
  local function want(to, volume)
    local reachable = found.tracks[to] or is_new[to]
    if reachable and (is_new[spec.id] or is_new[to] or not has_send(from, found.tracks[to])) then
      table.insert(todo.sends, { from = spec.id, to = to, volume = volume, channels = spec.channels })
    end
  end
  if not from and not is_new[spec.id] then return end
  -- A stem whose master send was switched on again is heard already: one more path would double it.
  local rerouted = from and r.GetMediaTrackInfo_Value(from, "B_MAINSEND") == 1
  if spec.bus and not rerouted then want(spec.bus, 1.0) end
  for _, send in ipairs(spec.sends or {}) do want(send.to, send.volume) end
end

-- Markers go only into a project that has none; the renderer's own project usually has the very same ones.
local function missing_markers(todo, drop)
  local there = r.CountProjectMarkers(PROJECT)
  local function is_there(marker)
    for i = 0, there - 1 do
      local _, _, position, _, name = r.EnumProjectMarkers3(PROJECT, i)
      if name == marker.name and math.abs(position - todo.start - marker.start) < MARKER_TOLERANCE then return true end
    end
    return false
  end
  local missing = {}
  for _, marker in ipairs(drop.markers) do
    if not is_there(marker) then table.insert(missing, marker) end
  end
  if there == 0 then
    todo.markers = missing
  elseif #missing > 0 and #todo.tracks == #drop.tracks then
    table.insert(todo.notes, ("The project has its own markers, so %d of the render were left out."):format(#missing))
  end
end

-- Returns what is to be made; changes nothing.
local function compare(drop, found, folder)
  local todo = { start = start_of(drop), tracks = {}, takes = {}, sends = {}, markers = {}, notes = {} }
  local is_new = {}
  for _, spec in ipairs(drop.tracks) do
    -- Without its track but with its item, a stem was moved to a track of the user's.
    if not found.tracks[spec.id] and not found.items[spec.id] then
      is_new[spec.id] = true
      table.insert(todo.tracks, spec)
    end
  end
  for _, spec in ipairs(drop.tracks) do
    if spec.item then missing_takes(todo, spec, found, folder) end
    missing_sends(todo, spec, found, is_new)
  end
  missing_markers(todo, drop)
  return todo
end

local function open_sources(todo)
  for _, take in ipairs(todo.takes) do
    if not r.file_exists(take.path) then fail("This file of the drop is missing:\n" .. take.path) end
    take.source = r.PCM_Source_CreateFromFile(take.path)
    local seconds, is_beats = 0, false
    if take.source then seconds, is_beats = r.GetMediaSourceLength(take.source) end
    if is_beats or seconds <= 0 then fail("REAPER finds no sound in this file of the drop:\n" .. take.path) end
    take.seconds = seconds
  end
end

local function close_sources(todo)
  for _, take in ipairs(todo.takes) do
    if take.source then r.PCM_Source_Destroy(take.source) end
  end
end

-- Returns the index for new tracks: the end, or above a folder that is left open there and would swallow them.
local function place_for_tracks()
  local depth, top = 0, 0
  for i = 0, r.CountTracks(PROJECT) - 1 do
    if depth == 0 then top = i end
    depth = math.max(0, depth + r.GetMediaTrackInfo_Value(r.GetTrack(PROJECT, i), "I_FOLDERDEPTH"))
  end
  return depth == 0 and r.CountTracks(PROJECT) or top
end

local function add_track(spec, index)
  local before = r.CountTracks(PROJECT)
  r.InsertTrackAtIndex(index, false)
  must(r.CountTracks(PROJECT) == before + 1, "add a track")
  local track = must(r.GetTrack(PROJECT, index), "add a track")
  set_text("MediaTrack", track, EXT, spec.id)
  set_text("MediaTrack", track, "P_NAME", spec.name)
  set("MediaTrack", track,
    "I_SELECTED", 0,
    "I_NCHAN", math.max(2, spec.channels + spec.channels % 2),
    "I_PANMODE", BALANCE,
    "D_PANLAW", UNITY_PAN_LAW,
    "D_PAN", spec.pan,
    "D_WIDTH", 1,
    "D_VOL", spec.volume,
    "B_MUTE", spec.mute and 1 or 0,
    "B_MAINSEND", spec.bus and 0 or 1,
    "C_BEATATTACHMODE", 0) -- time: a change of tempo moves nothing
  if spec.color then
    set("MediaTrack", track, "I_CUSTOMCOLOR", r.ColorToNative(table.unpack(spec.color)) | COLOR_IS_SET)
  end
  return track
end

local function add_item(track, spec, start)
  local item = must(r.AddMediaItemToTrack(track), "add an item")
  set_text("MediaItem", item, EXT, spec.id)
  set("MediaItem", item,
    "B_UISEL", 0,
    "B_LOOPSRC", 0,
    "C_BEATATTACHMODE", 0,
    "D_FADEINLEN", 0,
    "D_FADEINLEN_AUTO", 0,
    "D_FADEOUTLEN", 0,
    "D_FADEOUTLEN_AUTO", 0,
    "D_POSITION", start,
    "D_VOL", spec.item.volume)
  return item
end

-- Lines a restored take up with another of ours, which the user may have trimmed or stretched.
local function align(take, item)
  for t = 0, r.CountTakes(item) - 1 do
    local other = r.GetTake(item, t)
    if other and other ~= take and identity("MediaItemTake", other) then
      for _, key in ipairs({ "D_STARTOFFS", "D_PLAYRATE" }) do
        set("MediaItemTake", take, key, r.GetMediaItemTakeInfo_Value(other, key))
      end
      return
    end
  end
end

local function add_take(want, found, start)
  local id = want.spec.id
  local is_new = not found.items[id]
  local item = found.items[id] or add_item(found.tracks[id], want.spec, start)
  local active = r.GetActiveTake(item)
  local take = must(r.AddTakeToMediaItem(item), "add a take")
  must(r.SetMediaItemTake_Source(take, want.source), "use " .. want.path)
  want.source = nil -- the take owns it now
  set_text("MediaItemTake", take, "P_NAME", want.name)
  set("MediaItemTake", take, "D_PANLAW", UNITY_PAN_LAW, "D_PAN", 0, "D_VOL", 1)
  align(take, item)
  set_text("MediaItemTake", take, EXT, want.id)
  if is_new then set("MediaItem", item, "D_LENGTH", want.seconds) end
  r.SetActiveTake(active or take)
  found.items[id] = item
  return take
end

local function set_send(from, index, key, value, ...)
  local done = r.SetTrackSendInfo_Value(from, 0, index, key, value)
  must(done or r.GetTrackSendInfo_Value(from, 0, index, key) == value, "set " .. key .. " of a send")
  if ... then set_send(from, index, ...) end
end

local function add_send(send, found)
  local from = found.tracks[send.from]
  local index = r.CreateTrackSend(from, found.tracks[send.to])
  must(index >= 0, "add a send")
  set_send(from, index,
    "I_SENDMODE", POST_FADER,
    "I_SRCCHAN", send.channels > 2 and (send.channels + 1) // 2 << 10 or 0, -- above bit 10: 0 = stereo, n = 2n channels
    "I_DSTCHAN", 0,
    "I_MIDIFLAGS", NO_MIDI,
    "D_PANLAW", UNITY_PAN_LAW,
    "D_PAN", 0,
    "D_VOL", send.volume,
    "B_MONO", 0,
    "B_PHASE", 0,
    "B_MUTE", 0)
end

-- On a bus that only gets sends, an effect's own dry signal would be heard a second time.
local function silence_dry(spec, track, fx, name, notes)
  for parameter = 0, r.TrackFX_GetNumParams(track, fx) - 1 do
    local _, label = r.TrackFX_GetParamName(track, fx, parameter)
    if label == "Dry" and not r.TrackFX_SetParamNormalized(track, fx, parameter, 0) then
      table.insert(notes, ("%s: please turn down Dry in %s."):format(spec.name, name))
    end
  end
end

local function add_fx(spec, track, notes)
  for _, wanted in ipairs(spec.fx or {}) do
    local name = wanted.name
    local fx = r.TrackFX_AddByName(track, name, false, -1)
    if fx < 0 then
      table.insert(notes, ("%s: REAPER has no effect called %s."):format(spec.name, name))
    elseif spec.is_return then
      silence_dry(spec, track, fx, name, notes)
    end
  end
end

local function add_marker(marker, start)
  local position = start + marker.start
  local is_region = marker.length > 0
  local index = r.AddProjectMarker2(PROJECT, is_region, position, position + marker.length, marker.name, -1, 0)
  must(index >= 0, "add a marker")
end

-- Makes everything on the list and returns the new takes.
local function build(todo, found)
  local index, takes = place_for_tracks(), {}
  for offset, spec in ipairs(todo.tracks) do
    found.tracks[spec.id] = add_track(spec, index + offset - 1)
  end
  for _, want in ipairs(todo.takes) do table.insert(takes, add_take(want, found, todo.start)) end
  for _, send in ipairs(todo.sends) do add_send(send, found) end
  for _, spec in ipairs(todo.tracks) do add_fx(spec, found.tracks[spec.id], todo.notes) end
  for _, marker in ipairs(todo.markers) do add_marker(marker, todo.start) end
  return takes
end

-- Draws the waveforms bit by bit, while REAPER goes on.
local function build_peaks(takes)
  if not r.PCM_Source_BuildPeaks then
    r.Main_OnCommand(BUILD_MISSING_PEAKS, 0)
    return
  end
  local mode = 0 -- 0 begins, 1 goes on, 2 ends
  local function step()
    local take = takes[#takes]
    if not take then return r.UpdateArrange() end
    local is_there = r.ValidatePtr2(PROJECT, take, "MediaItem_Take*")
    local source = is_there and r.GetMediaItemTake_Source(take)
    if source and r.PCM_Source_BuildPeaks(source, mode) ~= 0 then
      mode = 1
    else
      if source and mode == 1 then r.PCM_Source_BuildPeaks(source, 2) end
      mode = 0
      table.remove(takes)
    end
    r.defer(step)
  end
  step()
end

local function describe(err)
  return type(err) == "table" and err.message or debug.traceback(tostring(err), 2)
end

-- Runs build as one undo step; after a failure, nothing of it remains. Returns the new takes, or nil and the reason.
local function build_in_one_step(drop, todo, found)
  r.PreventUIRefresh(1)
  r.Undo_BeginBlock2(PROJECT)
  local ok, result = xpcall(build, describe, todo, found)
  r.Undo_EndBlock2(PROJECT, ok and "Stem Bridge: import " .. drop.title or FAILED, -1)
  local is_undone = not ok and r.Undo_CanUndo2(PROJECT) == FAILED and r.Undo_DoUndo2(PROJECT) ~= 0
  r.PreventUIRefresh(-1)
  r.TrackList_AdjustWindows(false)
  r.UpdateArrange()
  if ok then return result end
  local outcome = is_undone and "Nothing was changed." or "Some tracks were made: please undo once."
  return nil, result .. "\n" .. outcome
end

-- Imports a drop. `drop` is the table of its import.lua, `folder` where it lies, ending in a separator.
-- Returns true and perhaps a message for the user, or false and the reason; then nothing was changed.
local function import_drop(drop, folder)
  r.defer(function() end) -- a script that defers gets no undo step of its own
  if drop.version ~= 1 then return false, "Another version of Stem Bridge made this drop: update these scripts." end
  local found = survey()
  local todo = compare(drop, found, folder)
  if #todo.tracks + #todo.takes + #todo.sends + #todo.markers == 0 then
    table.insert(todo.notes, 1, drop.title .. " is in this project already; nothing is missing.")
    return true, table.concat(todo.notes, "\n")
  end
  local ok, reason = xpcall(open_sources, describe, todo)
  local takes
  if ok then takes, reason = build_in_one_step(drop, todo, found) end
  close_sources(todo)
  if not takes then return false, reason end
  build_peaks(takes)
  return true, #todo.notes > 0 and table.concat(todo.notes, "\n") or nil
end

return import_drop
