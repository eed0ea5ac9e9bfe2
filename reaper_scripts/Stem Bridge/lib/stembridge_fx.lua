-- @noindex
-- Inserts live effects, plugins in the state that the drop keeps. Needs REAPER 6.30 or newer, no extensions.
--
-- An effect that cannot be had stops nothing: the stems come in, and the user is told.

local lib = ...
local r, edit = reaper, lib.edit
local fx = {}
local TOLERANCE = 0.01 -- of a normalised parameter; plugins round
local WET = ":wet" -- REAPER's own knob, whatever the plugin calls its parameters

-- Returns the names to try: for a plugin also without its maker, who may be written in another way.
local function names_of(wanted)
  local short = wanted.preset and wanted.name:match("^(.*%S)%s+%b()$")
  return { wanted.name, short }
end

local function insert(track, wanted)
  for _, name in ipairs(names_of(wanted)) do
    local index = r.TrackFX_AddByName(track, name, false, -1)
    if index >= 0 then return index end
  end
  return nil
end

-- Says whether a plugin is on a track, by any of its names.
function fx.is_on(track, wanted)
  for _, name in ipairs(names_of(wanted)) do
    if r.TrackFX_AddByName(track, name, false, 0) >= 0 then return true end
  end
  return false
end

-- Returns the parameters, by the names that the plugin's window shows, that are not as the state has them.
local function differences(track, index, wanted)
  local differing = {}
  for parameter = 0, r.TrackFX_GetNumParams(track, index) - 1 do
    local _, label = r.TrackFX_GetParamName(track, index, parameter)
    local value = wanted[label]
    if value and math.abs(r.TrackFX_GetParamNormalized(track, index, parameter) - value) > TOLERANCE then
      table.insert(differing, label)
    end
  end
  return differing
end

-- Loads the state; a plugin that does not take it is switched off, since it would do something else.
local function load_state(track, index, wanted, folder, note)
  local path = folder .. wanted.preset:gsub("/", package.config:sub(1, 1))
  if not r.file_exists(path) or not r.TrackFX_SetPreset(track, index, path) then
    r.TrackFX_SetEnabled(track, index, false)
    note("%s did not take its state, so it is switched off; load it in its window: %s.", wanted.name, wanted.preset)
    return false
  end
  local differing = differences(track, index, wanted.parameters or {})
  if #differing > 0 then
    note("please look at %s: not as saved: %s.", wanted.name, table.concat(differing, ", "))
  end
  return true
end

local function set_wet(track, index, wanted, note)
  local ident = r.TrackFX_GetParamFromIdent -- not in the first versions of REAPER 6
  local parameter = ident and ident(track, index, WET) or -1
  if parameter < 0 or not r.TrackFX_SetParamNormalized(track, index, parameter, wanted.wet) then
    note("please turn the wet knob of %s, beside its bypass, to %.0f%%.", wanted.name, 100 * wanted.wet)
  end
end

-- On a bus that only gets sends, an effect's own dry signal would be heard a second time.
local function turn_dry_down(track, index, wanted, note)
  for parameter = 0, r.TrackFX_GetNumParams(track, index) - 1 do
    local _, label = r.TrackFX_GetParamName(track, index, parameter)
    if label == "Dry" and not r.TrackFX_SetParamNormalized(track, index, parameter, 0) then
      note("please turn down Dry in %s.", wanted.name)
    end
  end
end

-- Returns whether the effect is there and does what it is there for.
local function add(track, wanted, is_return, folder, note)
  local index = insert(track, wanted)
  if not index then
    local kept = wanted.preset and "; its state is kept in " .. wanted.preset or ""
    note("REAPER has no effect called %s%s.", wanted.name, kept)
    return false
  end
  local is_ready = not wanted.preset or load_state(track, index, wanted, folder, note)
  if wanted.wet then set_wet(track, index, wanted, note) end
  if is_return and not wanted.preset then turn_dry_down(track, index, wanted, note) end
  return is_ready
end

-- Inserts the effects of a new track, in order, and adds what the user should know to `notes`.
function fx.add_all(track, spec, folder, notes)
  local function note(text, ...) table.insert(notes, spec.name .. ": " .. text:format(...)) end
  local working = 0
  for _, wanted in ipairs(spec.fx or {}) do
    if add(track, wanted, spec.is_return, folder, note) then working = working + 1 end
  end
  if spec.fx and spec.is_return and working == 0 then
    edit.set("MediaTrack", track, "B_MUTE", 1)
    note("it is muted, since without its effects it would double what it hears.")
  end
end

-- Adds to `todo.notes` which effects are not on tracks of the user's that serve as buses: those stay as they are.
function fx.tell_lacking(drop, todo, found)
  for _, spec in ipairs(todo.is_first and drop.tracks or {}) do
    for _, wanted in ipairs(todo.adopted[spec.id] and spec.fx or {}) do
      if not fx.is_on(found.tracks[spec.id], wanted) then
        local lacks = "%s: the track that serves as this bus stays as it is, without %s."
        table.insert(todo.notes, lacks:format(spec.name, wanted.name))
      end
    end
  end
end

return fx
