-- @noindex
-- Puts one drop into the open project. Needs REAPER 6.30 or newer, no extensions.
--
-- A second run looks for what the first one made, restores what is missing, and changes nothing of what is there.

local lib = ...
local r, edit = reaper, lib.edit
local BUILD_MISSING_PEAKS = 40047

local function open_sources(todo)
  for _, take in ipairs(todo.takes) do
    if not r.file_exists(take.path) then edit.fail("This file of the drop is missing:\n" .. take.path) end
    take.source = r.PCM_Source_CreateFromFile(take.path)
    local seconds, is_beats = 0, false
    if take.source then seconds, is_beats = r.GetMediaSourceLength(take.source) end
    if is_beats or seconds <= 0 then edit.fail("REAPER finds no sound in this file of the drop:\n" .. take.path) end
    take.seconds = seconds
  end
end

local function close_sources(todo)
  for _, take in ipairs(todo.takes) do
    if take.source then r.PCM_Source_Destroy(take.source) end
  end
end

-- Draws the waveforms bit by bit, while REAPER goes on.
local function build_peaks(takes)
  if not r.PCM_Source_BuildPeaks then
    r.Main_OnCommand(BUILD_MISSING_PEAKS, 0)
    return
  end
  local mode = 0 -- 0 begins, 1 goes on, 2 ends
  local project = r.EnumProjects(-1) -- another tab may be the active one meanwhile
  local function source_of(take)
    local is_there = r.ValidatePtr2(0, project, "ReaProject*") and r.ValidatePtr2(project, take, "MediaItem_Take*")
    return is_there and r.GetMediaItemTake_Source(take)
  end
  local function step()
    local take = takes[#takes]
    if not take then return r.UpdateArrange() end
    local source = source_of(take)
    if source and r.PCM_Source_BuildPeaks(source, mode) ~= 0 then
      mode = 1
    else
      if source and mode == 1 then r.PCM_Source_BuildPeaks(source, 2) end
      mode = 0
      table.remove(takes)
    end
    r.defer(step)
  end
  r.atexit(function() -- the user may end the script half-way
    local source = mode == 1 and source_of(takes[#takes])
    if source then r.PCM_Source_BuildPeaks(source, 2) end
  end)
  step()
end

-- Copies the files of takes that are to be made, where that part of the library is loaded and the user wants it.
local function place_media(todo)
  if lib.media then lib.media(todo) end
end

-- Imports a drop. `drop` is the table of its import.lua, `folder` where it lies, ending in a separator.
-- Returns true and perhaps a message for the user, or false and the reason; then nothing was changed.
return function(drop, folder)
  r.defer(function() end) -- a script that defers gets no undo step of its own
  if drop.version ~= 1 then return false, "Another version of Stem Bridge made this drop: update these scripts." end
  local found = lib.compare.survey()
  local todo = lib.compare.missing(drop, found, folder)
  lib.fx.tell_lacking(drop, todo, found)
  if #todo.tracks + #todo.takes + #todo.sends + #todo.markers == 0 then
    table.insert(todo.notes, 1, drop.title .. " is in this project already; nothing is missing.")
    return true, table.concat(todo.notes, "\n")
  end
  local ok, reason = xpcall(place_media, edit.describe, todo)
  if ok then ok, reason = xpcall(open_sources, edit.describe, todo) end
  local takes
  if ok then takes, reason = edit.in_one_step("import " .. drop.title, lib.build, todo, found, folder) end
  close_sources(todo)
  if not takes then return false, reason end
  build_peaks(takes)
  return true, #todo.notes > 0 and table.concat(todo.notes, "\n") or nil
end
