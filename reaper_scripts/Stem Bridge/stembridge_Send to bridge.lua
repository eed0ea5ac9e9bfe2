-- @noindex
-- @description Send to bridge
-- @version 1.0
-- @about
--   # Send to bridge
--   Renders the time selection, the selected items, the selected tracks, a bus or the master, privately and with your
--   render settings left as they are, and sends it to the daemon. The stems take its place: what was rendered is muted
--   when they come in, and they join the session where no effect and no fader is heard twice.
--   It asks once what to send; "Settings" changes that. Needs REAPER 6.30 or newer, no extensions, and the scripts
--   installed by `stem-bridge reaper install`.

local r = reaper
local TITLE = "Stem Bridge: send"
local OK, YES_NO, YES_NO_CANCEL = 0, 4, 3
local YES, NO = 6, 7
local RECORDS = 4

r.defer(function() end) -- no undo step: nothing is changed
if r.set_action_options then r.set_action_options(1 | 2) end -- sending again need not wait for a daemon that starts

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)("edit", "bridge", "routes", "render", "send")
local bridge = lib.bridge

local function say(text)
  r.ShowMessageBox(text, TITLE, OK)
end

local function choose_mode()
  local mode = bridge.setting("mode")
  for _, known in ipairs(bridge.MODES) do
    if mode == known then return mode end
  end
  local chosen = bridge.menu(bridge.MODE_WORDS)
  mode = chosen and bridge.MODES[chosen]
  if mode then bridge.keep("mode", mode) end
  return mode
end

-- Returns why the project as it stands cannot be rendered, or nil.
local function obstacle()
  if r.GetPlayStateEx(0) & RECORDS ~= 0 then return "REAPER is recording. Stop it first." end
  if r.AnyTrackSolo(0) then return "A track is soloed, so this is not all the project plays. Unsolo first." end
  if r.Master_GetPlayRate(0) ~= 1 then return "The project's play rate is not 1. Set it back first." end
  return nil
end

-- Returns what is to be sent, or nil after the user was told why not.
local function find_jobs(mode)
  local why_not = obstacle()
  if why_not then return say(why_not) end
  local ok, jobs = xpcall(lib.routes[mode], lib.edit.describe)
  if not ok then return say(jobs) end
  if mode ~= "time" or not jobs[1].is_part or bridge.setting("mute_source") == "no" then return jobs end
  local question = "The tracks go on outside the time selection. When the stems come in, mute them all the same?\n\n"
    .. "No = nothing is muted: mute or cut it yourself."
  local reply = r.ShowMessageBox(question, TITLE, YES_NO_CANCEL)
  if reply ~= YES and reply ~= NO then return nil end
  if reply == NO then jobs[1].mute = {} end
  return jobs
end

local function send()
  local config = bridge.config(here)
  local inbox = config and bridge.inbox(config)
  if not inbox then return say("These scripts know no inbox. In a terminal: stem-bridge reaper install") end
  local mode = choose_mode()
  local jobs = mode and find_jobs(mode)
  if not jobs then return end
  local _, is_alive = bridge.status(config)
  local is_wanted = not is_alive
    and r.ShowMessageBox("The daemon of Stem Bridge is not running. Start it?", TITLE, YES_NO) == YES
  local names, reason = lib.send(jobs, mode, inbox.path)
  if not names then return say("Nothing was sent.\n" .. reason) end
  if is_alive then bridge.ask(config, { ["do"] = "rescan" }) end
  if is_wanted then bridge.start(config) end
  if is_alive and r.GetExtState("stembridge", "auto_import") == "on" then return end -- its window shows the rest
  local next_step = "The stems come to " .. inbox.outbox .. "; \"Bring stems in\" or \"Auto-import\" puts them here."
  if not is_alive and not is_wanted then next_step = "It waits in the inbox for the daemon: stem-bridge watch" end
  say("Sent: " .. table.concat(names, ", ") .. "\n" .. next_step)
end

send()
