-- @noindex
-- @description Null check
-- @version 1.0
-- @about
--   # Null check
--   Turns the phase of the original that came in with the stems and unmutes it, so that you hear what the stems lack:
--   silence, where they are dry and no fader was moved. Run it again to put both back. It is one undo step.
--   Needs REAPER 6.30 or newer, no extensions.

local r = reaper
local TITLE = "Stem Bridge: null check"

r.defer(function() end)

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)("edit")
local edit = lib.edit

-- Returns the tracks of originals: of the selected ones, or of all when none is selected.
local function originals()
  local all, selected = {}, {}
  for i = 0, r.CountTracks(edit.PROJECT) - 1 do
    local track = r.GetTrack(edit.PROJECT, i)
    local id = edit.identity("MediaTrack", track)
    if id and id:find("/mix$") then
      table.insert(all, track)
      if r.GetMediaTrackInfo_Value(track, "I_SELECTED") == 1 then table.insert(selected, track) end
    end
  end
  return #selected > 0 and selected or all
end

local function turn(tracks)
  local is_on = r.GetMediaTrackInfo_Value(tracks[1], "B_PHASE") == 1
  for _, track in ipairs(tracks) do
    edit.set("MediaTrack", track, "B_PHASE", is_on and 0 or 1, "B_MUTE", is_on and 1 or 0)
  end
  return true
end

local tracks = originals()
if #tracks == 0 then
  local text = "There is no original of Stem Bridge in this project.\nIt comes with the stems: bring them in first."
  r.ShowMessageBox(text, TITLE, 0)
else
  local done, reason = edit.in_one_step("null check", turn, tracks)
  if not done then r.ShowMessageBox(reason, TITLE, 0) end
end
