-- @noindex
-- Talks with the daemon: where it is, whether it lives, what it knows, what it is asked. Needs REAPER 6.30 or newer.

local r = reaper
local bridge = {}
local SECTION = "stembridge"
local OLDEST_SECONDS = 60 -- a status older than this was written by a daemon that is gone
local START_SECONDS = 30
local NO_WAIT = package.config:sub(1, 1) == "\\" and -2 or -1 -- for ExecProcess; -2: Windows opens its console small
local NO_LITERAL = '[^%w%s{}%[%]=,."\\_+-]' -- without parentheses and colons nothing can be called
local SEPARATOR = package.config:sub(1, 1)
local CONFIG = "stembridge_config.lua"

bridge.MODES = { "time", "items", "tracks", "bus", "master" }
bridge.MODE_WORDS = { "Time selection", "Selected items", "Selected tracks", "A bus (one selected track)", "Master" }
bridge.DEFAULTS =
  { mode = "", preset = "", model = "", inbox = "1", mute_source = "yes", media = "drop", tempo = "empty" }

-- Joins names to a path.
function bridge.path(first, ...)
  return table.concat({ first, ... }, SEPARATOR)
end

function bridge.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

-- Writes a new file under a hidden name and renames it, so that nobody reads half of it; Windows renames onto no file
-- that is there. Returns true, or nil and why not.
function bridge.write(folder, name, text)
  local part = bridge.path(folder, "." .. name .. ".part")
  local file, why = io.open(part, "wb")
  if not file then return nil, why end
  local is_written = file:write(text) ~= nil
  is_written = file:close() and is_written
  if is_written then
    local done
    done, why = os.rename(part, bridge.path(folder, name))
    if done then return true end
  end
  os.remove(part)
  return nil, why or "the disk is full"
end

-- Reads a table of plain data; no code in it is run. `before` is the pattern of what stands before the table.
function bridge.data(path, before)
  local text = bridge.read(path)
  local literal = text and text:match((before or "^return ") .. "(%b{})\r?\n")
  if not literal or literal:find(NO_LITERAL) then return nil end
  local chunk = load("return " .. literal, "=data", "t", {})
  local ok, data = pcall(chunk or error)
  return ok and type(data) == "table" and data or nil
end

-- Returns what the installation wrote down: state, command, inboxes; nil where there was none. Scripts that ReaPack put
-- elsewhere find it where the installation puts its own.
function bridge.config(here)
  return bridge.data(here .. CONFIG)
    or bridge.data(bridge.path(r.GetResourcePath(), "Scripts", "Stem Bridge", CONFIG))
end

-- Returns the daemon's status, and whether it is alive.
function bridge.status(config)
  local status = bridge.data(bridge.path(config.state, "status.lua"))
  local is_alive = status ~= nil and status.state ~= "stopped" and type(status.updated) == "number"
    and math.abs(os.time() - status.updated) < OLDEST_SECONDS
  return status, is_alive
end

-- Returns the names of presets and models that the daemon wrote down.
function bridge.choices(config)
  local known = bridge.data(bridge.path(config.state, "presets.lua")) or {}
  return known.presets or {}, known.models or {}
end

-- Leaves a request in the control folder. Returns true, or nil and why not.
function bridge.ask(config, request)
  local folder = bridge.path(config.state, "control")
  r.RecursiveCreateDirectory(folder, 0)
  return bridge.write(folder, r.genGuid(""):gsub("[{}]", "") .. ".json", bridge.json(request) .. "\n")
end

-- Starts the daemon and says so when it does not come to life.
function bridge.start(config)
  r.ExecProcess(config.command, NO_WAIT)
  local by = r.time_precise() + START_SECONDS
  local looked = 0
  local function wait()
    local now = r.time_precise()
    if now - looked >= 1 then
      looked = now
      if select(2, bridge.status(config)) then return end
    end
    if now < by then return r.defer(wait) end
    r.ShowMessageBox("The daemon did not start. In a terminal, see why: stem-bridge watch", "Stem Bridge", 0)
  end
  wait()
end

-- Settings

function bridge.setting(name)
  local value = r.GetExtState(SECTION, name)
  return value ~= "" and value or bridge.DEFAULTS[name]
end

function bridge.keep(name, value)
  r.SetExtState(SECTION, name, value, true)
end

-- Returns the inbox that the settings name; the first one where that is no longer there.
function bridge.inbox(config)
  return config.inboxes[tonumber(bridge.setting("inbox"))] or config.inboxes[1]
end

-- Returns the project's own identity, which it keeps when it is saved; made where it has none, when `is_made`.
function bridge.project_id(is_made)
  local _, id = r.GetProjExtState(0, SECTION, "project")
  if id == "" then _, id = r.GetProjExtState(0, SECTION, "project") end
  if id == "" and is_made then
    id = r.genGuid("")
    r.SetProjExtState(0, SECTION, "project", id)
    r.MarkProjectDirty(0) -- closed without being saved, it would not know its stems again
    _, id = r.GetProjExtState(0, SECTION, "project")
  end
  return id
end

-- Shows a menu at the mouse, with a mark at line `current`, if any. Returns the number of the chosen line, or nil.
function bridge.menu(lines, current)
  local shown = {}
  for number, line in ipairs(lines) do
    local plain = line:gsub("|", "/"):gsub("^[#!<>]+", "")
    table.insert(shown, (number == current and "!" or "") .. (plain ~= "" and plain or "-")) -- "" is a line, uncounted
  end
  gfx.init("Stem Bridge", 0, 0)
  gfx.x, gfx.y = gfx.mouse_x, gfx.mouse_y
  local chosen = gfx.showmenu(table.concat(shown, "|"))
  gfx.quit()
  return chosen > 0 and chosen or nil
end

-- Text that the daemon reads

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\" }

local function json_number(value)
  if math.type(value) == "integer" then return tostring(value) end
  return (("%.17g"):format(value):gsub(",", "."))
end

-- Writes text, numbers, booleans, lists and tables with names as keys; keys in order, so that it is the same each time.
function bridge.json(value)
  if type(value) == "string" then return '"' .. value:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"' end
  if type(value) == "number" then return json_number(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if #value > 0 or next(value) == nil then
    for i, one in ipairs(value) do parts[i] = bridge.json(one) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, one in pairs(value) do table.insert(parts, bridge.json(name) .. ":" .. bridge.json(one)) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Blocks of characters that are all letters and signs; what lies elsewhere is not sure to be accepted.
local PRINTABLE = {
  { 0x20, 0x7E }, { 0xA1, 0xAC }, { 0xAE, 0x24F }, { 0x3A3, 0x3FF }, { 0x400, 0x52F }, { 0x5D0, 0x5EA },
  { 0x620, 0x64A }, { 0x904, 0x939 }, { 0xE01, 0xE3A }, { 0x1E00, 0x1EFF }, { 0x2010, 0x2027 }, { 0x3041, 0x3096 },
  { 0x30A1, 0x30FA }, { 0x4E00, 0x9FA5 }, { 0xAC00, 0xD7A3 }, { 0x1F300, 0x1F64F },
}

local function is_printable(code)
  for _, block in ipairs(PRINTABLE) do
    if code >= block[1] and code <= block[2] then return true end
  end
  return false
end

-- Returns text as one line of at most `most` characters that the daemon accepts; what it might not is a question mark.
function bridge.words(text, most)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  local out = {}
  for _, code in utf8.codes(text) do
    if #out == most then break end
    table.insert(out, is_printable(code) and utf8.char(code) or "?")
  end
  return table.concat(out)
end

-- Returns a name as a name of files on every system.
function bridge.file_name(name)
  local safe = bridge.words(name, 40):gsub('[<>:"/\\|?*$]', "-")
  if SEPARATOR == "\\" then safe = safe:gsub("[\128-\255]+", "-") end
  safe = safe:gsub("^[%s.]+", ""):gsub("[%s.]+$", "")
  return safe ~= "" and safe or "render"
end

return bridge
