-- @noindex
-- Which drops lie in the outboxes, and whose they are. Needs REAPER 6.30 or newer, no extensions.

local lib = ...
local r, bridge = reaper, lib.bridge
local drops = {}
local SEPARATOR = package.config:sub(1, 1)
local MOST = 20 -- drops in the menu
local RECORDS = 4 -- for GetPlayStateEx

-- Reads the drop in a folder that ends in a separator: the table of its import.lua, or nil. No code in it is run.
function drops.read(folder)
  return bridge.data(folder .. "import.lua", "\nlocal DATA = ")
end

-- Returns the manifest of a drop, or nil.
function drops.manifest(folder)
  return bridge.data(folder .. "drop.lua")
end

-- Says whether a drop was made of a render of this project.
function drops.is_ours(drop, project)
  return project ~= "" and drop.source ~= nil and drop.source.project == project
end

-- Names what the project remembers of a drop.
local function memory_of(drop)
  return "brought " .. drop.tracks[1].id:match("^[^/]*")
end

-- Remembers in the project that a drop was brought in. What the user takes out then never comes back by itself.
function drops.remember(drop)
  r.SetProjExtState(0, "stembridge", memory_of(drop), "1")
end

function drops.was_brought(drop)
  local _, is_known = r.GetProjExtState(0, "stembridge", memory_of(drop))
  return is_known ~= ""
end

-- Returns the folders of finished drops in all outboxes; what is hidden is not finished.
function drops.folders(config)
  local found = {}
  for _, inbox in ipairs(config.inboxes) do
    r.EnumerateSubdirectories(inbox.outbox, -1) -- looks again, instead of remembering
    local index = 0
    local name = r.EnumerateSubdirectories(inbox.outbox, index)
    while name do
      local folder = bridge.path(inbox.outbox, name) .. SEPARATOR
      if name:sub(1, 1) ~= "." and r.file_exists(folder .. "drop.lua") then table.insert(found, folder) end
      index = index + 1
      name = r.EnumerateSubdirectories(inbox.outbox, index)
    end
  end
  return found
end

-- Returns drops of this project, newest first: folder, drop, when (text that sorts by time).
function drops.of_project(config, project)
  local found = {}
  for _, folder in ipairs(drops.folders(config)) do
    local drop = drops.read(folder)
    if drop and drops.is_ours(drop, project) then
      local manifest = drops.manifest(folder) or {}
      table.insert(found, { folder = folder, drop = drop, when = tostring(manifest.created or "") })
    end
  end
  table.sort(found, function(a, b) return a.when > b.when or a.when == b.when and a.folder < b.folder end)
  return found
end

-- Lets the user choose a drop of this project, newest first, or any other in the file system. `name` gives the words of
-- one in the menu. Returns the drop and its folder; or nil, and the reason unless the user chose none.
function drops.choose(config, title, name)
  if r.GetPlayStateEx(0) & RECORDS ~= 0 then return nil, "REAPER is recording. Stop it first." end
  local found = config and drops.of_project(config, bridge.project_id(false)) or {}
  local words = {}
  for i = 1, math.min(MOST, #found) do words[i] = name(found[i].drop) end
  table.insert(words, "Another one ...")
  local chosen = #words == 1 and 1 or bridge.menu(words)
  local folder = chosen and found[chosen] and found[chosen].folder
  if chosen == #words then
    local is_chosen, path = r.GetUserFileNameForRead("", title, "lua")
    folder = is_chosen and (path:match("^(.*[/\\])") or "")
  end
  if not folder then return nil end
  local drop = drops.read(folder)
  if drop then return drop, folder end
  return nil, "This is no drop of Stem Bridge:\n" .. folder .. "\n\nChoose the import.lua inside a drop."
end

return drops
