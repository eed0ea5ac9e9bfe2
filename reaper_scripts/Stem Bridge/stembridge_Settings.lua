-- @noindex
-- @description Stem Bridge settings
-- @version 1.0
-- @about
--   # Settings
--   What "Send to bridge" sends, with which preset and model of those that the daemon knows, and what happens when
--   stems come in: a menu that stays until you close it. Kept by REAPER.
--   Needs REAPER 6.30 or newer, no extensions, and the scripts installed by `stem-bridge reaper install`.

local r = reaper
local TITLE = "Stem Bridge: settings"

r.defer(function() end)

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)("bridge")
local bridge = lib.bridge
local config = bridge.config(here)

local MODES = {}
for i, mode in ipairs(bridge.MODES) do MODES[i] = { mode, bridge.MODE_WORDS[i] } end

-- Returns values and words of presets or models, the inbox's own first.
local function known(names, own)
  local values = { { "", ("The inbox's own (%s)"):format(own) } }
  for _, one in ipairs(names) do
    local name = type(one) == "table" and one.name or one
    table.insert(values, { name, name })
  end
  return values
end

-- Returns what can be set: the name, the words for it, its values with their words.
local function fields()
  local presets, models = bridge.choices(config)
  local inboxes = {}
  for i, inbox in ipairs(config.inboxes) do inboxes[i] = { tostring(i), inbox.path } end
  local inbox = bridge.inbox(config)
  return {
    { "mode", "Send", MODES },
    { "preset", "Preset", known(presets, inbox.preset) },
    { "model", "Model", known(models, inbox.model) },
    { "inbox", "Inbox", inboxes },
    { "mute_source", "What was sent", { { "yes", "is muted when its stems come in" }, { "no", "plays on" } } },
    { "media", "Files of stems", { { "drop", "stay in the drop" }, { "project", "are copied to the project" } } },
    { "tempo", "Tempo and markers", { { "empty", "come into an empty project only" }, { "always", "always come" } } },
  }
end

-- Lets the user choose one value of a field.
local function choose(field)
  local name, _, values = table.unpack(field)
  local words, current = {}, nil
  for i, value in ipairs(values) do
    words[i] = value[2]
    if bridge.setting(name) == value[1] then current = i end
  end
  local chosen = bridge.menu(words, current)
  if chosen then bridge.keep(name, values[chosen][1]) end
end

-- Shows all settings, again after each change, until the user closes the menu.
local function ask()
  local chosen
  repeat
    local all, lines = fields(), {}
    for i, field in ipairs(all) do
      local words = bridge.setting(field[1])
      for _, value in ipairs(field[3]) do
        if value[1] == words then words = value[2] end
      end
      lines[i] = ("%s: %s"):format(field[2], words == "" and "asked at the first sending" or words)
    end
    chosen = bridge.menu(lines)
    if chosen then choose(all[chosen]) end
  until not chosen
end

if config and #config.inboxes > 0 then
  ask()
else
  r.ShowMessageBox("These scripts know no inbox. In a terminal: stem-bridge reaper install", TITLE, 0)
end
