-- @noindex
-- Adds the stems of a newer drop to the items of an older one, as takes. Needs REAPER 6.30 or newer, no extensions.

local lib = ...
local r, edit = reaper, lib.edit
local KEPT = { "D_STARTOFFS", "D_PLAYRATE", "D_PITCH", "B_PPITCH", "D_VOL", "D_PAN", "D_PANLAW", "I_CHANMODE" }
local SAME = 0.001 -- seconds

-- Splits 'drop/stem:vocals' and 'drop/stem:vocals#1' into what and number.
local function part_of(id)
  local what, number = id:match("/([^#]*)#?(%d*)$")
  return what, number ~= "" and tonumber(number) or nil
end

-- Returns every item that holds takes of stems, with the one that a new take is lined up with.
local function pieces()
  local found = {}
  for i = 0, r.CountMediaItems(edit.PROJECT) - 1 do
    local item = r.GetMediaItem(edit.PROJECT, i)
    local piece = { item = item, has = {}, models = {}, source = edit.source_of(item) }
    for t = 0, r.CountTakes(item) - 1 do
      local take = r.GetTake(item, t)
      local id = take and edit.identity("MediaItemTake", take)
      if id then
        local what, number = part_of(id)
        piece.has[id] = true
        -- Whatever take of a stem comes first tells where this piece begins in its file.
        if what and number then piece.models[what] = piece.models[what] or take end
      end
    end
    table.insert(found, piece)
  end
  return found
end

-- Splits what `compare.source_of` wrote: seconds, mode, the rest.
local function read_source(source)
  local nanoseconds, mode, rest = source:match("^(%d+)|(%l+)|(.*)$")
  return nanoseconds and tonumber(nanoseconds) / 1e9, mode, rest
end

-- Says whether two drops come from the same part of the project, of which some may have changed since.
local function is_same_source(one, other)
  local start, mode, rest = read_source(one)
  local other_start, other_mode, other_rest = read_source(other)
  if mode == other_mode and rest == other_rest then return mode ~= "time" or math.abs(start - other_start) < SAME end
  if mode ~= other_mode or mode == "title" or mode == "time" then return false end
  local parent, guids = rest:match("^([^|]*)|(.*)$")
  local other_parent, other_guids = other_rest:match("^([^|]*)|(.*)$")
  local shares = guids == "" or other_guids == ""
  for guid in guids:gmatch("[^,]+") do shares = shares or other_guids:find(guid, 1, true) ~= nil end
  return parent == other_parent and shares
end

-- Returns the pieces that stems of a source belong to: those of the same source, and those that remember none. Where
-- all renders came without a source, under one title, another title is a newer name of it.
local function pieces_of(source)
  local all, titles, same = pieces(), {}, {}
  for _, piece in ipairs(all) do
    if next(piece.models) then titles[select(3, read_source(piece.source)) or ""] = true end
  end
  local only = next(titles)
  local is_only_title = only and not next(titles, only) and select(2, read_source(source)) == "title"
  for _, piece in ipairs(all) do
    local is_renamed = is_only_title and select(2, read_source(piece.source)) == "title"
    if piece.source == "" or is_renamed or is_same_source(piece.source, source) then table.insert(same, piece) end
  end
  return same
end

-- Returns by how many seconds a file of the newer source begins earlier than the piece expects.
local function lead_of(piece, model, source)
  local old, mode = read_source(piece.source)
  local new = read_source(source)
  if not old or mode == "items" then return 0 end -- an item's render moves with it
  local offset = r.GetMediaItemTakeInfo_Value(model, "D_STARTOFFS")
  local at = r.GetMediaItemInfo_Value(piece.item, "D_POSITION") - offset
  if math.abs(at - new) < SAME then return 0 end -- all of the project was moved
  return old - new
end

-- Returns the takes to add: the first of each stem in `drop` to every piece of that stem that lacks it.
local function missing(drop, folder)
  local todo, source = {}, lib.compare.source_of(drop)
  local same = pieces_of(source)
  for _, spec in ipairs(drop.tracks) do
    local what = spec.item and part_of(spec.id)
    for _, piece in ipairs(what and same or {}) do
      local id, model = spec.id .. "#1", piece.models[what]
      if model and not piece.has[id] then
        local first = spec.item.takes[1]
        local path = folder .. first.file:gsub("/", package.config:sub(1, 1))
        local take = { item = piece.item, model = model, id = id, name = first.name, path = path }
        take.spec, take.lead = spec, lead_of(piece, model, source)
        table.insert(todo, take)
      end
    end
  end
  return todo
end

local function add(todo)
  for _, want in ipairs(todo) do
    local take = edit.must(r.AddTakeToMediaItem(want.item), "add a take")
    edit.must(r.SetMediaItemTake_Source(take, want.source), "use " .. want.path)
    want.source = nil -- the take owns it now
    edit.set_text("MediaItemTake", take, "P_NAME", want.name)
    for _, key in ipairs(KEPT) do
      local lead = key == "D_STARTOFFS" and want.lead or 0
      edit.set("MediaItemTake", take, key, r.GetMediaItemTakeInfo_Value(want.model, key) + lead)
    end
    edit.set_text("MediaItemTake", take, edit.EXT, want.id)
    r.SetActiveTake(take)
  end
  return true
end

local function open_sources(todo)
  for _, want in ipairs(todo) do
    if not r.file_exists(want.path) then edit.fail("This file of the drop is missing:\n" .. want.path) end
    want.source = edit.must(r.PCM_Source_CreateFromFile(want.path), "read " .. want.path)
  end
end

-- Names the live plugins of the drop that tracks of its new takes lack: effects are the user's, none is inserted here.
local function lacking(todo)
  local sentences, told = {}, {}
  for _, want in ipairs(todo) do
    local track = r.GetMediaItem_Track(want.item)
    for _, wanted in ipairs(want.spec.fx or {}) do
      local which = want.name .. wanted.name
      if wanted.preset and not told[which] and not lib.fx.is_on(track, wanted) then
        told[which] = true
        local lacks = "%s: the newer stem is meant to go through %s, which its track lacks; its state is %s."
        table.insert(sentences, lacks:format(want.name, wanted.name, wanted.preset))
      end
    end
  end
  return #sentences > 0 and table.concat(sentences, "\n") or nil
end

-- Updates the project's stems from a drop. Returns how many takes were added, and perhaps a message for the user; or
-- nil and the reason.
return function(drop, folder)
  local todo = missing(drop, folder)
  if #todo == 0 then return 0 end
  local ok, result = xpcall(lib.media, edit.describe, { takes = todo, notes = {} })
  if ok then ok, result = xpcall(open_sources, edit.describe, todo) end
  if ok then ok, result = edit.in_one_step("update to " .. drop.title, add, todo) end
  for _, want in ipairs(todo) do
    if want.source then r.PCM_Source_Destroy(want.source) end
  end
  if ok then return #todo, lacking(todo) end
  return nil, result
end
