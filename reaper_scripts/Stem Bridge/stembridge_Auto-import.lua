-- @noindex
-- @description Auto-import stems
-- @version 1.0
-- @about
--   # Auto-import
--   A toggle: while it is on, finished stems of this project come in by themselves, each as one step of undo, and a
--   small window shows what the daemon does, with buttons to cancel and to try again. The daemon is told while REAPER
--   plays or records, so that it can step aside. Needs REAPER 6.30 or newer, no extensions, and the scripts installed
--   by `stem-bridge reaper install`.

local r = reaper
local SECTION, ON = "stembridge", "auto_import"
local LOOK_SECONDS = 1
local TELL_SECONDS = 5 -- the daemon believes that REAPER plays for three times as long
local PLAYS, RECORDS = 1, 4

local _, path, section, command = r.get_action_context()
local here = path:match("^(.*[/\\])") or ""
local parts = { "edit", "buses", "compare", "fx", "build", "import", "bridge", "media", "drops", "panel" }
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)(table.unpack(parts))
local bridge = lib.bridge
local config = bridge.config(here)

local seen = {} -- folders of drops that were looked at, by project
local looked, told = -math.huge, -math.huge
local rolled = false
local note, status, is_alive, lines, asks

local function set_toggle(state)
  r.SetToggleCommandState(section, command, state)
  r.RefreshToolbar2(section, command)
  r.SetExtState(SECTION, ON, state == 1 and "on" or "", false)
end

-- Imports what came since the last look. Recording is never disturbed; what comes meanwhile is imported after it.
local function import_new(is_first)
  local project = bridge.project_id(false)
  local before, now = seen[project] or {}, {}
  seen[project] = now -- what is gone from the outbox is forgotten: it may come again under its name
  for _, folder in ipairs(lib.drops.folders(config)) do
    now[folder] = true
    if not before[folder] then
      local drop = lib.drops.read(folder)
      local is_ours = drop and lib.drops.is_ours(drop, project)
      local is_known = is_ours and is_first and (lib.drops.was_brought(drop) or lib.compare.is_in_project(drop))
      if is_ours and not is_known then
        local ok, message = lib.import(drop, folder)
        if ok then lib.drops.remember(drop) end
        note = (ok and "Imported: " or "Not imported: ") .. drop.title
        if message then note = note .. ". " .. message:gsub("%s+", " ") end
      end
    end
  end
end

-- Tells the daemon that REAPER plays or records, again and again; and once that it stopped.
local function report_transport(now)
  local state = r.GetPlayStateEx(0)
  local rolls = state & (PLAYS | RECORDS) ~= 0
  if rolls ~= rolled or rolls and now - told >= TELL_SECONDS then
    local word = not rolls and "stopped" or state & RECORDS ~= 0 and "recording" or "playing"
    bridge.ask(config, { ["do"] = word, seconds = rolls and 3 * TELL_SECONDS or nil })
    rolled, told = rolls, now
  end
  return state & RECORDS ~= 0
end

local last_updated, last_project
local function look(now)
  status, is_alive = bridge.status(config)
  local records = is_alive and report_transport(now)
  local updated, project = status and status.updated, bridge.project_id(false)
  if not records and (updated ~= last_updated or project ~= last_project) then
    import_new(project ~= last_project)
    last_updated, last_project = updated, project
  end
  lines, asks = lib.panel.lines(status, is_alive, note)
end

local function step()
  if lib.panel.is_closed() then return end
  local now = r.time_precise()
  if now - looked >= LOOK_SECONDS then
    looked = now
    look(now)
  end
  local wish = lib.panel.draw(lines, asks)
  if wish and wish.start then
    bridge.start(config)
  elseif wish then
    bridge.ask(config, wish)
  end
  r.defer(step)
end

if r.set_action_options then r.set_action_options(1 | 4) end -- running it again ends it; the toggle is on
if config then
  r.atexit(function()
    if rolled then bridge.ask(config, { ["do"] = "stopped" }) end
    lib.panel.close()
    set_toggle(0)
    if r.set_action_options then r.set_action_options(8) end
  end)
  set_toggle(1)
  lib.panel.open()
  step()
else
  r.ShowMessageBox("These scripts know no inbox. In a terminal: stem-bridge reaper install", "Stem Bridge", 0)
end
