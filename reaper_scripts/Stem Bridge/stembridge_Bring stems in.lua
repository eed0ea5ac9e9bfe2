-- @description Bring stems in
-- @version 1.0
-- @about
--   # Bring stems in
--   Asks for a drop (its import.lua or drop.lua) and imports it: stems on tracks, at their place, routed to buses.
--   It is one undo step. A second run restores what is missing and touches nothing else.
--   The drop is read as data; no code in it is run. Needs REAPER 6.30 or newer, no extensions.
-- @provides
--   [nomain] lib/*.lua

local r = reaper
local TITLE = "Stem Bridge: bring stems in"
local NO_LITERAL = '[^%w%s{}%[%]=,."\\_+-]' -- without parentheses and colons nothing can be called

local function folder_of(path)
  return path:match("^(.*[/\\])") or ""
end

-- Returns the table of data in a drop's import.lua, or nil.
local function read_drop(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  local literal = text:match("\nlocal DATA = (%b{})\r?\n")
  if not literal or literal:find(NO_LITERAL) then return nil end
  local chunk = load("return " .. literal, "=drop", "t", {})
  local ok, drop = pcall(chunk or error)
  return ok and drop or nil
end

r.defer(function() end) -- no undo step when nothing is imported

local here = folder_of(select(2, r.get_action_context()))
local lib = {}
for _, name in ipairs({ "edit", "compare", "build", "import" }) do
  lib[name] = assert(loadfile(here .. "lib/stembridge_" .. name .. ".lua"))(lib)
end

local chosen, path = r.GetUserFileNameForRead("", TITLE, "lua")
if not chosen then return end

local folder = folder_of(path)
local drop = read_drop(folder .. "import.lua")
if not drop then
  r.ShowMessageBox("This is no drop of Stem Bridge:\n" .. path .. "\n\nChoose the import.lua inside a drop.", TITLE, 0)
  return
end

local _, message = lib.import(drop, folder)
if message then r.ShowMessageBox(message, TITLE, 0) end
