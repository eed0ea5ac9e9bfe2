-- @noindex
-- @description Update stems
-- @version 1.0
-- @about
--   # Update stems
--   Takes a newer drop of the same source and adds its stems as takes to every piece of the stems that are in the
--   project, at the same place in the file. Edits, effects, levels and routing stay; the older takes stay too. It is
--   one undo step. Needs REAPER 6.30 or newer, no extensions.

local r = reaper
local TITLE = "Stem Bridge: update stems"

r.defer(function() end)

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local parts = { "edit", "buses", "compare", "bridge", "media", "drops", "fx", "update" }
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)(table.unpack(parts))

local drop, folder = lib.drops.choose(lib.bridge.config(here), TITLE, function(one) return one.title end)
local count, reason = nil, not drop and folder or nil
if drop then count, reason = lib.update(drop, folder) end
if count == 0 then
  reason = "No item of the project lacks these stems, or its stems are of another source.\n"
    .. "To add tracks, bring the stems in."
end
if reason then r.ShowMessageBox(reason, TITLE, 0) end
