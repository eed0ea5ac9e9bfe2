-- @noindex
-- Where a render is taken and where its stems join, so that nothing is heard twice. Needs REAPER 6.30 or newer.
--
-- A part of the project is replaced either at its output (after its effects and fader; stems join what it feeds, the
-- track is muted) or at its input (before its effects and fader; stems join its own input, what feeds it is muted).

local lib = ...
local r, edit = reaper, lib.edit
local routes = {}
local SENDS, RECEIVES, HARDWARE = 0, -1, 1
local CHANGED_BY_HAND = { "<VOLENV2", "<PANENV2", "<WIDTHENV2", "<MUTEENV", "<VOLENV3" }
local CHANGED_ON_MASTER = { "<MASTERVOLENV2", "<MASTERPANENV2", "<MASTERWIDTHENV2", "<VOLENV2", "<PANENV2" }

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

-- Counts the sends of one kind that carry sound.
local function count_sends(track, category)
  local count = 0
  for i = 0, r.GetTrackNumSends(track, category) - 1 do
    local is_muted = r.GetTrackSendInfo_Value(track, category, i, "B_MUTE") == 1
    if not is_muted and r.GetTrackSendInfo_Value(track, category, i, "I_SRCCHAN") >= 0 then count = count + 1 end
  end
  return count
end

local function has_envelope(track, chunks)
  for _, chunk in ipairs(chunks) do
    if r.GetTrackEnvelopeByChunkName(track, chunk) then return true end
  end
  return false
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

-- Returns the job that replaces a track at its output, or nil and why not.
local function at_output(track)
  local parent = r.GetParentTrack(track)
  if value(track, "B_MAINSEND") == 0 then
    return nil, ("%s does not go to the master or a folder."):format(name_of(track))
  end
  if count_sends(track, SENDS) + count_sends(track, HARDWARE) > 0 then
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
    if r.GetMediaItemInfo_Value(item, "B_MUTE") == 0 and take then
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
      local ok, why = add(child, count_sends(child, SENDS) + count_sends(child, HARDWARE))
      if not ok then return nil, why end
    end
  end
  for i = 0, r.GetTrackNumSends(track, RECEIVES) - 1 do
    local is_muted = r.GetTrackSendInfo_Value(track, RECEIVES, i, "B_MUTE") == 1
    if not is_muted and r.GetTrackSendInfo_Value(track, RECEIVES, i, "I_SRCCHAN") >= 0 then
      local from = r.GetTrackSendInfo_Value(track, RECEIVES, i, "P_SRCTRACK")
      local others = count_sends(from, SENDS) - 1 + count_sends(from, HARDWARE) + value(from, "B_MAINSEND")
      local ok, why = add(from, others)
      if not ok then return nil, why end
    end
  end
  return true
end

-- Returns the job that replaces what feeds a track, or nil and why not.
local function at_input(track)
  if has_envelope(track, CHANGED_BY_HAND) then
    return nil, ("%s has an envelope of volume, pan, width or mute."):format(name_of(track))
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
  if has_envelope(master, CHANGED_ON_MASTER) then
    edit.fail("The master has an envelope of volume, pan or width. Send a bus or tracks instead.")
  end
  local mute = {}
  for _, track in ipairs(all_tracks()) do
    local is_top = not r.GetParentTrack(track) and value(track, "B_MAINSEND") == 1
    if is_top and value(track, "B_MUTE") == 0 then table.insert(mute, r.GetTrackGUID(track)) end
  end
  if #mute == 0 then edit.fail("No track goes to the master, so there is nothing to send.") end
  local start, finish = start_and_end()
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
  job.is_part = job.start < math.floor(start) or job.finish > finish
  job.start, job.finish = start, finish
  return jobs
end

function routes.tracks()
  local jobs = {}
  local start, finish = start_and_end()
  for _, track in ipairs(selected_tracks()) do
    local job = one_of(track, at_output, at_input)
    job.start, job.finish = start, finish
    table.insert(jobs, job)
  end
  if #jobs == 0 then edit.fail("No track is selected. Select some, or send something else: \"Settings\".") end
  return jobs
end

function routes.bus()
  local tracks = selected_tracks()
  if #tracks ~= 1 then edit.fail(("Select one bus; %d tracks are selected."):format(#tracks)) end
  local job = one_of(tracks[1], at_input, at_output)
  job.start, job.finish = start_and_end()
  return { job }
end

function routes.items()
  local jobs = {}
  for i = 0, r.CountSelectedMediaItems(edit.PROJECT) - 1 do
    local item = r.GetSelectedMediaItem(edit.PROJECT, i)
    local track, take = r.GetMediaItem_Track(item), r.GetActiveTake(item)
    if not take or r.TakeIsMIDI(take) or r.GetMediaItemInfo_Value(item, "B_MUTE") == 1 then
      edit.fail(("An item on %s is muted, empty or MIDI: it has no sound of its own."):format(name_of(track)))
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
