-- @noindex
-- Makes what a project lacks of a drop. Needs REAPER 6.30 or newer, no extensions.

local lib = ...
local r, edit = reaper, lib.edit
local must, set, set_text = edit.must, edit.set, edit.set_text
local COLOR_IS_SET = 0x1000000
local BALANCE, UNITY_PAN_LAW = 3, 1.0 -- for I_PANMODE and D_PANLAW: no gain in the middle, whatever the project says
local LINEAR_TAPER = 2 -- for I_PANLAW_FLAGS: a balance in a straight line, as the preset means it
local POST_FADER, POST_FX, NO_MIDI = 0, 3, 31 -- for I_SENDMODE and I_MIDIFLAGS

-- Returns the index for new tracks: the end, or above a folder that is left open there and would swallow them.
local function place_for_tracks()
  local depth, top = 0, 0
  for i = 0, r.CountTracks(edit.PROJECT) - 1 do
    if depth == 0 then top = i end
    depth = math.max(0, depth + r.GetMediaTrackInfo_Value(r.GetTrack(edit.PROJECT, i), "I_FOLDERDEPTH"))
  end
  return depth == 0 and r.CountTracks(edit.PROJECT) or top
end

local function add_track(spec, index, is_sent, folder_change)
  local before = r.CountTracks(edit.PROJECT)
  r.InsertTrackAtIndex(index, false)
  must(r.CountTracks(edit.PROJECT) == before + 1, "add a track")
  local track = must(r.GetTrack(edit.PROJECT, index), "add a track")
  set_text("MediaTrack", track, edit.EXT, spec.id)
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
    "B_MAINSEND", is_sent and 0 or 1,
    "C_BEATATTACHMODE", 0) -- time: a change of tempo moves nothing
  r.SetMediaTrackInfo_Value(track, "I_PANLAW_FLAGS", LINEAR_TAPER) -- an older version knows no taper, and needs none
  if folder_change ~= 0 then set("MediaTrack", track, "I_FOLDERDEPTH", folder_change) end
  if spec.color then
    set("MediaTrack", track, "I_CUSTOMCOLOR", r.ColorToNative(table.unpack(spec.color)) | COLOR_IS_SET)
  end
  return track
end

local function add_item(track, spec, todo)
  local item = must(r.AddMediaItemToTrack(track), "add an item")
  set_text("MediaItem", item, edit.EXT, spec.id)
  set_text("MediaItem", item, edit.SOURCE, todo.source)
  set("MediaItem", item,
    "B_UISEL", 0,
    "B_LOOPSRC", 0,
    "C_BEATATTACHMODE", 0,
    "D_FADEINLEN", 0,
    "D_FADEINLEN_AUTO", 0,
    "D_FADEOUTLEN", 0,
    "D_FADEOUTLEN_AUTO", 0,
    "D_POSITION", todo.start,
    "D_VOL", spec.item.volume)
  return item
end

-- Lines a restored take up with another of ours, which the user may have trimmed or stretched.
local function align(take, item)
  for t = 0, r.CountTakes(item) - 1 do
    local other = r.GetTake(item, t)
    if other and other ~= take and edit.identity("MediaItemTake", other) then
      for _, key in ipairs({ "D_STARTOFFS", "D_PLAYRATE" }) do
        set("MediaItemTake", take, key, r.GetMediaItemTakeInfo_Value(other, key))
      end
      return
    end
  end
end

local function add_take(want, found, todo)
  local id = want.spec.id
  local is_new = not found.items[id]
  local item = found.items[id] or add_item(found.tracks[id], want.spec, todo)
  local active = r.GetActiveTake(item)
  local take = must(r.AddTakeToMediaItem(item), "add a take")
  must(r.SetMediaItemTake_Source(take, want.source), "use " .. want.path)
  want.source = nil -- the take owns it now
  set_text("MediaItemTake", take, "P_NAME", want.name)
  set("MediaItemTake", take, "D_PANLAW", UNITY_PAN_LAW, "D_PAN", 0, "D_VOL", 1)
  align(take, item)
  set_text("MediaItemTake", take, edit.EXT, want.id)
  if is_new then set("MediaItem", item, "D_LENGTH", want.seconds) end
  r.SetActiveTake(active or take)
  found.items[id] = item
  return take
end

local function add_send(send, found)
  local from = found.tracks[send.from]
  local index = r.CreateTrackSend(from, found.tracks[send.to])
  must(index >= 0, "add a send")
  edit.set_send(from, index,
    "I_SENDMODE", send.spec.pre and POST_FX or POST_FADER,
    "I_SRCCHAN", send.channels > 2 and (send.channels + 1) // 2 << 10 or 0, -- above bit 10: 0 = stereo, n = 2n channels
    "I_DSTCHAN", 0,
    "I_MIDIFLAGS", NO_MIDI,
    "D_PANLAW", UNITY_PAN_LAW,
    "D_PAN", send.spec.pan or 0,
    "D_VOL", send.spec.volume,
    "B_MONO", 0,
    "B_PHASE", 0,
    "B_MUTE", 0)
  if send.bus then edit.set_send_text(from, index, edit.EXT, send.bus) end
end

local function add_marker(marker, start)
  local position = start + marker.start
  local is_region = marker.length > 0
  local index = r.AddProjectMarker2(edit.PROJECT, is_region, position, position + marker.length, marker.name, -1, 0)
  must(index >= 0, "add a marker")
end

local function remove_tempo(indexes)
  for i = #indexes, 1, -1 do
    must(r.DeleteTempoTimeSigMarker(edit.PROJECT, indexes[i]), "take out a change of tempo")
  end
end

local function add_tempo(change)
  local seconds, bpm, num, den = change.seconds, change.bpm, change.num, change.den
  must(r.SetTempoTimeSigMarker(edit.PROJECT, -1, seconds, -1, -1, bpm, num, den, change.ramp), "set the tempo")
end

-- Makes everything on the list, from a drop in `folder`, and returns the new takes.
return function(todo, found, folder)
  remove_tempo(todo.old_tempo)
  for _, change in ipairs(todo.tempo) do add_tempo(change) end -- first: later it could move what is there
  local index, takes = place_for_tracks(), {}
  for number, spec in ipairs(todo.tracks) do
    local following = todo.tracks[number + 1]
    local change = (following and todo.levels[following.id] or 0) - todo.levels[spec.id]
    found.tracks[spec.id] = add_track(spec, index + number - 1, todo.targets[spec.id] ~= nil, change)
  end
  for _, want in ipairs(todo.takes) do table.insert(takes, add_take(want, found, todo)) end
  for _, send in ipairs(todo.sends) do add_send(send, found) end
  for _, spec in ipairs(todo.tracks) do
    lib.fx.add_all(found.tracks[spec.id], spec, folder, todo.notes)
  end
  for _, marker in ipairs(todo.markers) do add_marker(marker, todo.start) end
  for _, mute in ipairs(todo.mutes) do set(mute.kind, mute.object, "B_MUTE", 1) end
  return takes
end
