-- @description Stem Bridge: renders out, stems back on buses
-- @version 1.1
-- @metapackage
-- @about
--   # Stem Bridge
--   Sends a time selection, items, tracks, a bus or the master to the daemon of Stem Bridge, and brings the stems back
--   to their place. Needs REAPER 6.30 or newer, no extensions, and, once, `stem-bridge reaper install` in a terminal,
--   which tells the actions where the daemon is.
-- @provides
--   [main] stembridge_Auto-import.lua
--   [main] stembridge_Bring stems in.lua
--   [main] stembridge_Null check.lua
--   [main] stembridge_Self test.lua
--   [main] stembridge_Send to bridge.lua
--   [main] stembridge_Settings.lua
--   [main] stembridge_Update stems.lua
--   [nomain] lib/*.lua

-- Run once after `stem-bridge reaper install`: it makes the other scripts of this folder known to REAPER, so that they
-- have names in the action list and can get keys and buttons. ReaPack does that by itself, and needs no such script.

local r = reaper
local MAIN_SECTION = 0
local here, own = select(2, r.get_action_context()):match("^(.*[/\\])([^/\\]+)$")

r.defer(function() end)

-- Returns the scripts of this folder but this one and the data files, in order.
local function scripts()
  local found, index = {}, 0
  r.EnumerateFiles(here, -1)
  local name = r.EnumerateFiles(here, index)
  while name do
    if name:find("^stembridge_%u.*%.lua$") and name ~= own then table.insert(found, name) end
    index = index + 1
    name = r.EnumerateFiles(here, index)
  end
  table.sort(found)
  return found
end

local names, failed = scripts(), {}
for number, name in ipairs(names) do
  local command = r.AddRemoveReaScript(true, MAIN_SECTION, here .. name, number == #names)
  if command == 0 then table.insert(failed, name) end
end
local text = ("%d actions are in the list: look for \"stembridge\"."):format(#names - #failed)
if #failed > 0 then text = text .. "\nREAPER refused:\n" .. table.concat(failed, "\n") end
r.ShowMessageBox(text, "Stem Bridge", 0)
