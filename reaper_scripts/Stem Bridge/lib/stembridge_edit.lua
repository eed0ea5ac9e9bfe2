-- @noindex
-- Edits of the project that say when they fail, as one step of undo. Needs REAPER 6.30 or newer, no extensions.

local r = reaper
local edit = {
  PROJECT = 0, -- the active one
  EXT = "P_EXT:stembridge",
  SOURCE = "P_EXT:stembridge_source",
}
local FAILED = "Stem Bridge: failed"

function edit.fail(message)
  error({ message = message }, 0)
end

function edit.must(result, what)
  if not result then edit.fail("REAPER could not " .. what .. ".") end
  return result
end

-- Sets numbers of a track, an item or a take, in the order given: key, value, key, value ...
function edit.set(kind, object, key, value, ...)
  local done = r["Set" .. kind .. "Info_Value"](object, key, value)
  edit.must(done or r["Get" .. kind .. "Info_Value"](object, key) == value, "set " .. key)
  if ... then edit.set(kind, object, ...) end
end

function edit.set_send(from, index, key, value, ...)
  local done = r.SetTrackSendInfo_Value(from, 0, index, key, value)
  edit.must(done or r.GetTrackSendInfo_Value(from, 0, index, key) == value, "set " .. key .. " of a send")
  if ... then edit.set_send(from, index, ...) end
end

function edit.set_send_text(from, index, key, text)
  edit.must(r.GetSetTrackSendInfo_String(from, 0, index, key, text, true), "set " .. key .. " of a send")
end

function edit.set_text(kind, object, key, text)
  edit.must(r["GetSet" .. kind .. "Info_String"](object, key, text, true), "set " .. key)
end

local function look_twice(read) -- taken for the user's, a thing of ours would be made again
  for _ = 1, 2 do
    local ok, id = read()
    if ok and id ~= "" then return id end
  end
  return nil
end

-- Returns what one of our tracks, items or takes is, or nil for one of the user's.
function edit.identity(kind, object)
  return look_twice(function() return r["GetSet" .. kind .. "Info_String"](object, edit.EXT, "", false) end)
end

-- Returns what one of our items remembers of where it came from, or "".
function edit.source_of(item)
  return look_twice(function() return r.GetSetMediaItemInfo_String(item, edit.SOURCE, "", false) end) or ""
end

-- Returns the bus for which we made a send to a track of the user's, or nil.
function edit.send_identity(from, index)
  return look_twice(function() return r.GetSetTrackSendInfo_String(from, 0, index, edit.EXT, "", false) end)
end

function edit.describe(err)
  return type(err) == "table" and err.message or debug.traceback(tostring(err), 2)
end

-- Runs work(...) as one step of undo called `name`; after a failure, nothing of it remains.
-- Returns what work returns, or nil and the reason.
function edit.in_one_step(name, work, ...)
  local failed = FAILED .. " " .. name
  r.PreventUIRefresh(1)
  r.Undo_BeginBlock2(edit.PROJECT)
  local ok, result = xpcall(work, edit.describe, ...)
  r.Undo_EndBlock2(edit.PROJECT, ok and "Stem Bridge: " .. name or failed, -1)
  local is_undone = not ok and r.Undo_CanUndo2(edit.PROJECT) == failed and r.Undo_DoUndo2(edit.PROJECT) ~= 0
  r.PreventUIRefresh(-1)
  r.TrackList_AdjustWindows(false)
  r.UpdateArrange()
  if ok then return result end
  return nil, result .. "\n" .. (is_undone and "Nothing was changed." or "Some tracks were made: please undo once.")
end

return edit
