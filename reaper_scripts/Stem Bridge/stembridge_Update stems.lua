-- @description Update stems
-- @version 1.0
-- @about
--   # Update stems
--   Takes a newer drop of the same song and adds its stems as takes to every piece of the stems that are in the
--   project, at the same place in the file. Edits, effects, levels and routing stay; the older takes stay too. It is
--   one undo step. Needs REAPER 6.30 or newer, no extensions.
-- @provides
--   [nomain] lib/*.lua

local r = reaper
local TITLE = "Stem Bridge: update stems"
local MOST = 20

r.defer(function() end)

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local parts = { "edit", "compare", "bridge", "media", "drops", "update" }
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)(table.unpack(parts))

local function choose()
  local config = lib.bridge.config(here)
  local found = config and lib.drops.of_project(config, lib.bridge.project_id(false)) or {}
  local words = {}
  for i = 1, math.min(MOST, #found) do words[i] = found[i].drop.title end
  table.insert(words, "Another one ...")
  local chosen = #words == 1 and 1 or lib.bridge.menu(words)
  if chosen ~= #words then return chosen and found[chosen].folder end
  local is_chosen, path = r.GetUserFileNameForRead("", TITLE, "lua")
  return is_chosen and (path:match("^(.*[/\\])") or "") or nil
end

local folder = choose()
if folder then
  local drop = lib.drops.read(folder)
  local count, reason
  if drop then
    count, reason = lib.update(drop, folder)
  else
    reason = "This is no drop of Stem Bridge:\n" .. folder .. "\n\nChoose the import.lua inside a drop."
  end
  if count == 0 then reason = "No item of the project lacks these stems; to add tracks, bring the stems in." end
  if reason then r.ShowMessageBox(reason, TITLE, 0) end
end
