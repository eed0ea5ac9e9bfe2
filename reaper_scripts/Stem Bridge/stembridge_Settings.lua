-- @description Stem Bridge settings
-- @version 1.0
-- @about
--   # Settings
--   What "Send to bridge" sends, with which preset and model, and what happens when stems come in. Kept by REAPER.
--   Needs REAPER 6.30 or newer, no extensions, and the scripts installed by `stem-bridge reaper install`.
-- @provides
--   [nomain] lib/*.lua

local r = reaper
local TITLE = "Stem Bridge: settings"
local FIELDS = { "mode", "preset", "model", "inbox", "mute_source", "media", "tempo" }
local CAPTIONS = "Send (time items tracks bus master),Preset (empty = inbox's),Model (empty = inbox's),Inbox (number),"
  .. "Mute what was sent (yes no),Media stays in (drop project),Tempo and markers (empty always),extrawidth=120"

r.defer(function() end)

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)("bridge")
local bridge = lib.bridge
local config = bridge.config(here)

local function is_one_of(value, names)
  for _, name in ipairs(names) do
    if value == name then return true end
  end
  return false
end

local function names_of(list)
  local names = {}
  for i, one in ipairs(list) do names[i] = type(one) == "table" and one.name or one end
  return names
end

-- Returns what is wrong with a value, or nil.
local function fault(field, value)
  local presets, models = bridge.choices(config)
  local allowed = {
    mode = bridge.MODES,
    preset = #presets > 0 and names_of(presets) or { value },
    model = #models > 0 and names_of(models) or { value },
    mute_source = { "yes", "no" },
    media = { "drop", "project" },
    tempo = { "empty", "always" },
  }
  if field == "inbox" then
    local number = math.tointeger(tonumber(value))
    if number and config.inboxes[number] then return nil end
    return ("Inbox: give a number from 1 to %d."):format(#config.inboxes)
  end
  if (value == "" and (field == "preset" or field == "model")) or is_one_of(value, allowed[field]) then return nil end
  return ("'%s' is no %s. Known: %s"):format(value, field, table.concat(allowed[field], ", "))
end

local function ask(text)
  local is_given, answer = r.GetUserInputs(TITLE, #FIELDS, CAPTIONS, text)
  if not is_given then return end
  local values, place = {}, 1
  for value in (answer .. ","):gmatch("([^,]*),") do
    values[place], place = value:match("^%s*(.-)%s*$"), place + 1
  end
  for i, field in ipairs(FIELDS) do
    local wrong = fault(field, values[i] or "")
    if wrong then
      r.ShowMessageBox(wrong, TITLE, 0)
      return ask(answer)
    end
  end
  for i, field in ipairs(FIELDS) do bridge.keep(field, values[i]) end
end

if config then
  local now = {}
  for i, field in ipairs(FIELDS) do now[i] = bridge.setting(field) end
  if now[1] == "" then now[1] = bridge.MODES[1] end
  ask(table.concat(now, ","))
else
  r.ShowMessageBox("These scripts know no inbox. In a terminal: stem-bridge reaper install", TITLE, 0)
end
