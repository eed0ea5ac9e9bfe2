-- @noindex
-- Renders one part of the project into a file and leaves everything as it was. Needs REAPER 6.30 or newer.

local lib = ...
local r, edit = reaper, lib.edit
local RENDER = 42230 -- File: Render project, using the most recent render settings, auto-close render dialog
local WAV_FLOAT_BWF = "ZXZhdyAAAQ=="
local MASTER, STEMS, MULTICHANNEL, ITEMS = 0, 2, 4, 32 -- for RENDER_SETTINGS
local CUSTOM, SELECTED_ITEMS = 0, 4 -- for RENDER_BOUNDSFLAG
local TEXTS = { "RENDER_FILE", "RENDER_PATTERN", "RENDER_FORMAT", "RENDER_FORMAT2" }
local NUMBERS = {
  "RENDER_SETTINGS", "RENDER_BOUNDSFLAG", "RENDER_CHANNELS", "RENDER_SRATE", "RENDER_STARTPOS", "RENDER_ENDPOS",
  "RENDER_TAILFLAG", "RENDER_ADDTOPROJ", "RENDER_DITHER", "RENDER_NORMALIZE",
}
local BYPASSED = { -- what a track has while its input is rendered
  { "I_FXEN", 0 }, { "D_VOL", 1 }, { "D_PAN", 0 }, { "D_WIDTH", 1 }, { "I_PANMODE", 3 }, { "D_PANLAW", 1 },
  { "B_PHASE", 0 },
}

-- Each of these sets something and says whether it is so afterwards; a second try costs nothing.

local function set_number(key, number)
  for _ = 1, 2 do
    r.GetSetProjectInfo(edit.PROJECT, key, number, true)
    if r.GetSetProjectInfo(edit.PROJECT, key, 0, false) == number then return true end
  end
  return false
end

local function get_text(key)
  local ok, text = r.GetSetProjectInfo_String(edit.PROJECT, key, "", false)
  if not ok then ok, text = r.GetSetProjectInfo_String(edit.PROJECT, key, "", false) end
  return ok and text or "" -- twice no: there is nothing in it
end

local function set_text(key, text)
  for _ = 1, 2 do
    if r.GetSetProjectInfo_String(edit.PROJECT, key, text, true) or get_text(key) == text then return true end
  end
  return false
end

local function set_value(track, key, value)
  for _ = 1, 2 do
    r.SetMediaTrackInfo_Value(track, key, value)
    if r.GetMediaTrackInfo_Value(track, key) == value then return true end
  end
  return false
end

-- Returns a list of functions, each of which puts one thing back as it is now.
local function remember(job)
  local back = {}
  for _, key in ipairs(NUMBERS) do
    local number = r.GetSetProjectInfo(edit.PROJECT, key, 0, false)
    number = number == 0 and r.GetSetProjectInfo(edit.PROJECT, key, 0, false) or number
    table.insert(back, function() return set_number(key, number) end)
  end
  for _, key in ipairs(TEXTS) do
    local text = get_text(key)
    table.insert(back, function() return set_text(key, text) end)
  end
  for _, pair in ipairs(job.bypass and BYPASSED or {}) do
    local value = r.GetMediaTrackInfo_Value(job.bypass, pair[1])
    table.insert(back, function() return set_value(job.bypass, pair[1], value) end)
  end
  return back
end

-- Selects one track or one item alone; returns the function that selects what was selected.
local function select_alone(job)
  local chosen, master = {}, r.GetMasterTrack(edit.PROJECT)
  if job.item then
    for i = 0, r.CountSelectedMediaItems(edit.PROJECT) - 1 do
      chosen[i + 1] = r.GetSelectedMediaItem(edit.PROJECT, i)
    end
    for _, item in ipairs(chosen) do r.SetMediaItemSelected(item, false) end
    r.SetMediaItemSelected(job.item, true)
    return function()
      r.SetMediaItemSelected(job.item, false)
      for _, item in ipairs(chosen) do r.SetMediaItemSelected(item, true) end
      return true
    end
  end
  if not job.track then return function() return true end end
  for i = 0, r.CountSelectedTracks(edit.PROJECT) - 1 do chosen[i + 1] = r.GetSelectedTrack(edit.PROJECT, i) end
  if r.GetMediaTrackInfo_Value(master, "I_SELECTED") == 1 then table.insert(chosen, master) end
  for _, track in ipairs(chosen) do r.SetTrackSelected(track, false) end
  r.SetTrackSelected(job.track, true)
  return function()
    r.SetTrackSelected(job.track, false)
    for _, track in ipairs(chosen) do r.SetTrackSelected(track, true) end
    return true
  end
end

local function source_of(job)
  if job.item then return ITEMS end
  return job.track and STEMS + (job.channels > 2 and MULTICHANNEL or 0) or MASTER
end

local function render_now(job, folder, name, back)
  local numbers = {
    RENDER_SETTINGS = source_of(job),
    RENDER_BOUNDSFLAG = job.item and SELECTED_ITEMS or CUSTOM,
    RENDER_CHANNELS = job.channels,
    RENDER_STARTPOS = job.start,
    RENDER_ENDPOS = job.finish,
  }
  for _, key in ipairs(NUMBERS) do edit.must(set_number(key, numbers[key] or 0), "set " .. key) end
  local texts = { RENDER_FILE = folder, RENDER_PATTERN = name, RENDER_FORMAT = WAV_FLOAT_BWF, RENDER_FORMAT2 = "" }
  for _, key in ipairs(TEXTS) do edit.must(set_text(key, texts[key]), "set " .. key) end
  for _, pair in ipairs(job.bypass and BYPASSED or {}) do
    edit.must(set_value(job.bypass, pair[1], pair[2]), "set " .. pair[1])
  end
  table.insert(back, select_alone(job))
  r.Main_OnCommand(RENDER, 0)
end

-- Renders a job of `routes` to `folder`/`name`.wav. Returns its path; or nil and the reason.
return function(job, folder, name)
  local is_read, back = xpcall(remember, edit.describe, job)
  if not is_read then return nil, back end
  r.PreventUIRefresh(1)
  local ok, reason = xpcall(render_now, edit.describe, job, folder, name, back)
  local is_back = true
  for i = #back, 1, -1 do is_back = back[i]() and is_back end
  r.PreventUIRefresh(-1)
  local path = lib.bridge.path(folder, name .. ".wav")
  if ok and not r.file_exists(path) then
    ok, reason = false, "REAPER rendered no file: it was cancelled, or the inbox's disk is full."
  end
  if not is_back then
    ok, reason = false, (reason or "") .. "\nA setting could not be put back: please look at File > Render."
  end
  if ok then return path end
  os.remove(path)
  return nil, reason
end
