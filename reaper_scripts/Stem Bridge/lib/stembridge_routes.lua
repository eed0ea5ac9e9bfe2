-- @noindex
-- Where a render is taken and where its stems join, so that nothing is heard twice. Needs REAPER 6.30 or newer.
--
-- A part of the project is replaced either at its output (after its effects and fader; stems join what it feeds, the
-- track is muted) or at its input (before its effects and fader; stems join its own input, what feeds it is muted).

local lib = ...
local r, edit = reaper, lib.edit
local routes = {}
local SENDS, RECEIVES, HARDWARE = 0, -1, 1
local ENVELOPES = { -- of volume, pan, width and mute; without the 2 before the effects, with 3 the trim
  "VOLENV", "VOLENV2", "VOLENV3", "PANENV", "PANENV2", "WIDTHENV", "WIDTHENV2", "DUALPANENVL", "DUALPANENVL2",
  "DUALPANENV", "DUALPANENV2", "MUTEENV",
}
local VCA_FOLLOWER = "VOLUME_VCA_FOLLOW"
local NO_MIDI, PRE_RECEIVE = 31, 8 -- for I_MIDIFLAGS and I_SENDMODE
local FIXED_LANES = 2 -- for I_FREEMODE
local RING_SECONDS = 8 -- for how long effects may sound on behind the last item

local function name_of(track)
  local ok, name = r.GetSetMediaTrackInfo_String(track, "P_NAME", "", false)
  if ok and name ~= "" then return name end
  return ("Track %d"):format(r.GetMediaTrackInfo_Value(track, "IP_TRACKNUMBER"))
end

local function value(track, key)
  return r.GetMediaTrackInfo_Value(track, key)
end

local function all_tracks()
  local tracks = {}
  for i = 0, r.CountTracks(edit.PROJECT) - 1 do tracks[i + 1] = r.GetTrack(edit.PROJECT, i) end
  return tracks
end

-- Counts the sends of one kind that carry sound; or `what`: a function of the value of a key of theirs.
local function count_sends(track, category, what)
  local count = 0
  for i = 0, r.GetTrackNumSends(track, category) - 1 do
    local function get(key) return r.GetTrackSendInfo_Value(track, category, i, key) end
    local is_counted = get("I_SRCCHAN") >= 0
    if what then is_counted = what(get) end
    if get("B_MUTE") == 0 and is_counted then count = count + 1 end
  end
  return count
end

local function carries_anything(get)
  return get("I_SRCCHAN") >= 0 or math.tointeger(get("I_MIDIFLAGS")) & 31 ~= NO_MIDI
end

local function is_pre_receive(get)
  return get("I_SENDMODE") == PRE_RECEIVE
end

local function has_envelope(track)
  local prefixes = track == r.GetMasterTrack(edit.PROJECT) and { "<", "<MASTER" } or { "<" }
  for _, prefix in ipairs(prefixes) do
    for _, name in ipairs(ENVELOPES) do
      local envelope = r.GetTrackEnvelopeByChunkName(track, prefix .. name)
      local ok, chunk = false, ""
      if envelope then ok, chunk = r.GetEnvelopeStateChunk(envelope, "", false) end
      if envelope and not (ok and chunk:find("\nACT 0")) then return true end
    end
  end
  return false
end

local function follows_vca(track)
  return r.GetSetTrackGroupMembership(track, VCA_FOLLOWER, 0, 0) ~= 0
    or r.GetSetTrackGroupMembershipHigh(track, VCA_FOLLOWER, 0, 0) ~= 0
end

-- Says whether an item is heard: not muted, and in a lane that plays.
local function is_heard(item, track)
  local lane = r.GetMediaItemInfo_Value(item, "C_LANEPLAYS") -- 0 before REAPER 7, where there are no such lanes
  local is_playing = lane > 0 or lane == 0 and value(track, "I_FREEMODE") ~= FIXED_LANES
  return is_playing and r.GetMediaItemInfo_Value(item, "B_MUTE") == 0
end

local function channels_of(track)
  return value(track, "I_NCHAN")
end

local function start_and_end()
  local first, last = math.huge, 0
  for i = 0, r.CountMediaItems(edit.PROJECT) - 1 do
    local item = r.GetMediaItem(edit.PROJECT, i)
    local start = r.GetMediaItemInfo_Value(item, "D_POSITION")
    first = math.min(first, start)
    last = math.max(last, start + r.GetMediaItemInfo_Value(item, "D_LENGTH"))
  end
  if last <= first then edit.fail("There is nothing to render: the project has no items.") end
  return math.max(0, math.floor(first)), last -- whole seconds are whole samples at any rate
end

-- Says whether there is an effect anywhere that may sound on when the items have ended.
local function has_effects()
  for _, track in ipairs(all_tracks()) do
    if r.TrackFX_GetCount(track) > 0 then return true end
    for i = 0, r.CountTrackMediaItems(track) - 1 do
      local take = r.GetActiveTake(r.GetTrackMediaItem(track, i))
      if take and r.TakeFX_GetCount(take) > 0 then return true end
    end
  end
  return false
end

-- Returns from when to when the whole project sounds.
local function whole()
  local start, finish = start_and_end()
  return start, finish + (has_effects() and RING_SECONDS or 0)
end

-- Returns the job that replaces a track at its output, or nil and why not.
local function at_output(track)
  local parent = r.GetParentTrack(track)
  if value(track, "B_MAINSEND") == 0 then
    return nil, ("%s does not go to the master or a folder."):format(name_of(track))
  end
  if value(track, "C_MAINSEND_OFFS") ~= 0 or value(track, "C_MAINSEND_NCH") ~= 0 then
    return nil, ("%s does not play into the first channels of what it feeds."):format(name_of(track))
  end
  if count_sends(track, SENDS, carries_anything) + count_sends(track, HARDWARE) > 0 then
    return nil, ("%s has sends, which would fall silent with it."):format(name_of(track))
  end
  local channels = math.min(channels_of(track), channels_of(parent or r.GetMasterTrack(edit.PROJECT)))
  return {
    track = track,
    name = name_of(track),
    channels = channels,
    mute = { r.GetTrackGUID(track) },
    parent = parent and r.GetTrackGUID(parent) or "",
  }
end

-- Adds what lies on a track itself; returns nil and why not when it cannot be taken without the track's effects.
local function add_items(track, mute)
  for i = 0, r.CountTrackMediaItems(track) - 1 do
    local item = r.GetTrackMediaItem(track, i)
    local take = r.GetActiveTake(item)
    if take and is_heard(item, track) then
      if r.TakeIsMIDI(take) then return nil, ("%s plays an instrument."):format(name_of(track)) end
      local _, guid = r.GetSetMediaItemInfo_String(item, "GUID", "", false)
      table.insert(mute, guid)
    end
  end
  return true
end

-- Adds the tracks that feed a track; returns nil and why not when one of them is heard elsewhere too.
local function add_feeders(track, mute)
  local function add(feeder, other_ways)
    if value(feeder, "B_MUTE") == 1 then return true end
    if other_ways > 0 then return nil, ("%s is heard elsewhere too."):format(name_of(feeder)) end
    table.insert(mute, r.GetTrackGUID(feeder))
    return true
  end
  for _, child in ipairs(all_tracks()) do
    if r.GetParentTrack(child) == track and value(child, "B_MAINSEND") == 1 then
      local ok, why = add(child, count_sends(child, SENDS, carries_anything) + count_sends(child, HARDWARE))
      if not ok then return nil, why end
    end
  end
  for i = 0, r.GetTrackNumSends(track, RECEIVES) - 1 do
    local is_muted = r.GetTrackSendInfo_Value(track, RECEIVES, i, "B_MUTE") == 1
    if not is_muted and r.GetTrackSendInfo_Value(track, RECEIVES, i, "I_SRCCHAN") >= 0 then
      local from = r.GetTrackSendInfo_Value(track, RECEIVES, i, "P_SRCTRACK")
      local others = count_sends(from, SENDS, carries_anything) - 1 + count_sends(from, HARDWARE)
      local ok, why = add(from, others + value(from, "B_MAINSEND"))
      if not ok then return nil, why end
    end
  end
  return true
end

-- Returns the job that replaces what feeds a track, or nil and why not.
local function at_input(track)
  if has_envelope(track) then
    return nil, ("%s has an envelope of volume, pan, width or mute."):format(name_of(track))
  end
  if follows_vca(track) then return nil, ("%s follows a VCA."):format(name_of(track)) end
  if r.TrackFX_GetInstrument(track) >= 0 then return nil, ("%s plays an instrument."):format(name_of(track)) end
  if count_sends(track, SENDS, is_pre_receive) > 0 then
    return nil, ("%s has a send that leaves out what comes from other tracks."):format(name_of(track))
  end
  local mute = {}
  local ok, why = add_items(track, mute)
  if ok then ok, why = add_feeders(track, mute) end
  if not ok then return nil, why end
  if #mute == 0 then return nil, ("%s has no sound of its own."):format(name_of(track)) end
  return {
    track = track,
    name = name_of(track),
    channels = channels_of(track),
    bypass = track,
    mute = mute,
    parent = r.GetTrackGUID(track),
  }
end

local function one_of(track, first, second)
  if value(track, "B_MUTE") == 1 then edit.fail(name_of(track) .. " is muted: unmute it, then send.") end
  local job, why = first(track)
  local other, why_not = nil, nil
  if not job then other, why_not = second(track) end
  if not job and not other then
    local what = ("%s cannot be replaced by its stems without a change of sound."):format(name_of(track))
    edit.fail(table.concat({ what, why, why_not }, "\n"))
  end
  return job or other
end

local function selected_tracks()
  local tracks = {}
  for i = 0, r.CountSelectedTracks(edit.PROJECT) - 1 do tracks[i + 1] = r.GetSelectedTrack(edit.PROJECT, i) end
  return tracks
end

-- Each way of sending: returns its jobs, or fails with a sentence for the user.

function routes.master()
  local master = r.GetMasterTrack(edit.PROJECT)
  if value(master, "B_MUTE") == 1 then edit.fail("The master is muted: unmute it, then send.") end
  if has_envelope(master) then
    edit.fail("The master has an envelope of volume, pan, width or mute. Send a bus or tracks instead.")
  end
  if follows_vca(master) then edit.fail("The master follows a VCA. Send a bus or tracks instead.") end
  local mute = {}
  for _, track in ipairs(all_tracks()) do
    local is_top = not r.GetParentTrack(track) and value(track, "B_MAINSEND") == 1
    if is_top and value(track, "B_MUTE") == 0 then table.insert(mute, r.GetTrackGUID(track)) end
  end
  if #mute == 0 then edit.fail("No track goes to the master, so there is nothing to send.") end
  local start, finish = whole()
  local _, project = r.EnumProjects(-1)
  local name = project:match("([^/\\]+)%.[^.]*$") or "Mix"
  return { {
    name = name,
    channels = channels_of(master),
    bypass = master,
    mute = mute,
    parent = "",
    start = start,
    finish = finish,
  } }
end

function routes.time()
  local start, finish = r.GetSet_LoopTimeRange2(edit.PROJECT, false, false, 0, 0, false)
  if finish <= start then edit.fail("There is no time selection. Drag one in the ruler, or send something else.") end
  local jobs = routes.master()
  local job = jobs[1]
  local first, last = start_and_end()
  job.is_part = first < math.floor(start) or last > finish
  job.start, job.finish = start, finish
  return jobs
end

-- Fails where the stems of one job would join the input that the stems of another replace: heard twice.
local function refuse_nested(jobs)
  for _, job in ipairs(jobs) do
    for _, other in ipairs(jobs) do
      if job ~= other and other.bypass and job.parent == other.parent then
        edit.fail(("%s plays into %s, and both are selected. Send one of them."):format(job.name, other.name))
      end
    end
  end
end

function routes.tracks()
  local jobs = {}
  local start, finish = whole()
  for _, track in ipairs(selected_tracks()) do
    local job = one_of(track, at_output, at_input)
    job.start, job.finish = start, finish
    table.insert(jobs, job)
  end
  if #jobs == 0 then edit.fail("No track is selected. Select some, or send something else: \"Settings\".") end
  refuse_nested(jobs)
  return jobs
end

function routes.bus()
  local tracks = selected_tracks()
  if #tracks ~= 1 then edit.fail(("Select one bus; %d tracks are selected."):format(#tracks)) end
  local job = one_of(tracks[1], at_input, at_output)
  job.start, job.finish = whole()
  return { job }
end

function routes.items()
  local jobs = {}
  for i = 0, r.CountSelectedMediaItems(edit.PROJECT) - 1 do
    local item = r.GetSelectedMediaItem(edit.PROJECT, i)
    local track, take = r.GetMediaItem_Track(item), r.GetActiveTake(item)
    if not take or r.TakeIsMIDI(take) or not is_heard(item, track) then
      local what = "An item on %s is muted, empty, MIDI or in a lane that does not play: it has no sound of its own."
      edit.fail(what:format(name_of(track)))
    end
    if value(track, "D_PLAY_OFFSET") ~= 0 and math.tointeger(value(track, "I_PLAY_OFFSET_FLAG")) & 1 == 0 then
      edit.fail(("%s plays its items earlier or later (media playback offset). Send the track."):format(name_of(track)))
    end
    if count_sends(track, SENDS, is_pre_receive) > 0 then
      edit.fail(("%s has a send that leaves out what comes from other tracks. Send the track."):format(name_of(track)))
    end
    local _, guid = r.GetSetMediaItemInfo_String(item, "GUID", "", false)
    local ok, name = r.GetSetMediaItemTakeInfo_String(take, "P_NAME", "", false)
    local start = r.GetMediaItemInfo_Value(item, "D_POSITION")
    table.insert(jobs, {
      item = item,
      name = ok and name ~= "" and name:gsub("%.%w+$", "") or name_of(track),
      channels = channels_of(track),
      mute = { guid },
      parent = r.GetTrackGUID(track),
      start = start,
      finish = start + r.GetMediaItemInfo_Value(item, "D_LENGTH"),
    })
  end
  if #jobs == 0 then edit.fail("No item is selected. Select some, or send something else: \"Settings\".") end
  return jobs
end

return routes
