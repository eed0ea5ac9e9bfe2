-- @noindex
-- Copies the files of a drop to the media of a saved project, so that they follow it. Needs REAPER 6.30 or newer.

local lib = ...
local r, edit, bridge = reaper, lib.edit, lib.bridge
local BLOCK_BYTES = 1 << 20

-- Copies a file; what cannot be copied whole is not there afterwards. Returns true, or nil.
local function copy(from, to)
  local source = io.open(from, "rb")
  if not source then return nil end
  local target = io.open(to, "wb")
  local is_whole = target ~= nil
  while is_whole do
    local block = source:read(BLOCK_BYTES)
    if not block then break end
    is_whole = target:write(block) ~= nil
  end
  source:close()
  if target then is_whole = target:close() and is_whole end
  if is_whole then return true end
  os.remove(to)
  return nil
end

local function is_same(one, other)
  local first, second = io.open(one, "rb"), io.open(other, "rb")
  local is_equal = first ~= nil and second ~= nil and first:seek("end") == second:seek("end")
  if is_equal then
    first:seek("set")
    second:seek("set")
    local block
    repeat
      block = first:read(BLOCK_BYTES)
      is_equal = block == second:read(BLOCK_BYTES)
    until not block or not is_equal
  end
  if first then first:close() end
  if second then second:close() end
  return is_equal
end

-- Returns where a file goes: a name that no other file there has. One of the same name and content is the same file.
local function place_for(folder, path)
  local name = path:match("([^/\\]+)$")
  local base, ending = name:match("^(.*)(%.[^.]*)$")
  local number, place = 1, bridge.path(folder, name)
  while r.file_exists(place) and not is_same(place, path) do
    number = number + 1
    place = bridge.path(folder, ("%s (%d)%s"):format(base or name, number, ending or ""))
  end
  return place
end

-- Changes the paths of takes that are to be made. Nothing happens where the project is not saved or media stays.
return function(todo)
  local _, project = r.EnumProjects(-1)
  if bridge.setting("media") ~= "project" or #todo.takes == 0 then return end
  if project == "" then
    table.insert(todo.notes, "The project is not saved yet, so the stems stay in the drop.")
    return
  end
  local folder = r.GetProjectPathEx(edit.PROJECT)
  r.RecursiveCreateDirectory(folder, 0)
  for _, take in ipairs(todo.takes) do
    if not r.file_exists(take.path) then edit.fail("This file of the drop is missing:\n" .. take.path) end
    local place = place_for(folder, take.path)
    if not r.file_exists(place) and not copy(take.path, place) then
      edit.fail("This file cannot be copied to the project's media:\n" .. take.path)
    end
    take.path = place
  end
end
