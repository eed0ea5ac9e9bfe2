-- @noindex
-- @description Bring stems in
-- @version 1.1
-- @changelog
--   Offers the drops of this project, the newest first.
-- @about
--   # Bring stems in
--   Offers what was made of this project's renders, the newest first, or any drop that you choose (its import.lua or
--   drop.lua), and imports it: stems on tracks, at their place, routed to buses. It is one undo step. A second run
--   restores what is missing and touches nothing else. The drop is read as data; no code in it is run.
--   Needs REAPER 6.30 or newer, no extensions.

local r = reaper
local TITLE = "Stem Bridge: bring stems in"

r.defer(function() end) -- no undo step when nothing is imported
if r.set_action_options then r.set_action_options(1 | 2) end -- running it again need not wait for the waveforms

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local parts = { "edit", "buses", "compare", "fx", "build", "import", "bridge", "media", "drops" }
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)(table.unpack(parts))

local drop, folder = lib.drops.choose(lib.bridge.config(here), TITLE, function(one)
  return one.title .. (lib.compare.is_in_project(one) and " (is in the project)" or "")
end)
local ok, message = false, not drop and folder or nil
if drop then ok, message = lib.import(drop, folder) end
if ok then lib.drops.remember(drop) end
if message then r.ShowMessageBox(message, TITLE, 0) end
