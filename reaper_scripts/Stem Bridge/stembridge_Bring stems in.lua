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
-- @provides
--   [nomain] lib/*.lua

local r = reaper
local TITLE = "Stem Bridge: bring stems in"
local MOST = 20 -- drops in the menu

r.defer(function() end) -- no undo step when nothing is imported

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local parts = { "edit", "compare", "build", "import", "bridge", "media", "drops" }
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)(table.unpack(parts))

-- Returns the folder of a drop that the user finds in the file system, or nil.
local function browse()
  local chosen, path = r.GetUserFileNameForRead("", TITLE, "lua")
  return chosen and (path:match("^(.*[/\\])") or "") or nil
end

local function choose()
  local config = lib.bridge.config(here)
  local found = config and lib.drops.of_project(config, lib.bridge.project_id(false)) or {}
  if #found == 0 then return browse() end
  local words = {}
  for i = 1, math.min(MOST, #found) do
    local is_there = lib.compare.is_in_project(found[i].drop)
    words[i] = found[i].drop.title .. (is_there and " (is in the project)" or "")
  end
  table.insert(words, "Another one ...")
  local chosen = lib.bridge.menu(words)
  if chosen == #words then return browse() end
  return chosen and found[chosen].folder or nil
end

local folder = choose()
if folder then
  local drop = lib.drops.read(folder)
  local _, message
  if drop then
    _, message = lib.import(drop, folder)
  else
    message = "This is no drop of Stem Bridge:\n" .. folder .. "\n\nChoose the import.lua inside a drop."
  end
  if message then r.ShowMessageBox(message, TITLE, 0) end
end
