-- @noindex
-- Sends jobs of `routes` to the daemon's inbox: all of them, or none. Needs REAPER 6.30 or newer.

local lib = ...
local r, edit, bridge = reaper, lib.edit, lib.bridge
local FOLDER = ".stembridge-send"
local PROBE = ".stembridge-probe"
local MOST = 1000 -- markers or changes of tempo in one sidecar

local function markers_within(job)
  local markers = {}
  for i = 0, r.CountProjectMarkers(edit.PROJECT) - 1 do
    local _, is_region, start, finish, name = r.EnumProjectMarkers3(edit.PROJECT, i)
    if start >= job.start and start <= job.finish and #markers < MOST then
      local length = is_region and math.min(finish, job.finish) - start or 0
      table.insert(markers, {
        position_seconds = start - job.start,
        name = bridge.words(name, 200),
        length_seconds = math.max(0, length),
      })
    end
  end
  return markers
end

local function is_signature(num, den)
  return num >= 1 and num <= 255 and den >= 1 and den <= 64 and den & (den - 1) == 0
end

local function tempo_map()
  local points = {}
  local function add(seconds, bpm, is_ramp)
    local num, den = r.TimeMap_GetTimeSigAtTime(edit.PROJECT, seconds)
    if not is_signature(num, den) then num, den = 4, 4 end
    bpm = math.min(960, math.max(1, bpm))
    table.insert(points, {
      position_seconds = seconds,
      bpm = bpm,
      numerator = num,
      denominator = den,
      ramp = is_ramp,
    })
  end
  for i = 0, math.min(MOST, r.CountTempoTimeSigMarkers(edit.PROJECT)) - 1 do
    local ok, seconds, _, _, bpm, _, _, is_ramp = r.GetTempoTimeSigMarker(edit.PROJECT, i)
    if ok and seconds >= 0 then add(seconds, bpm, is_ramp) end
  end
  if #points == 0 then add(0, r.Master_GetTempo(), false) end
  return points
end

-- Returns the text of the sidecar that tells the daemon what a render is.
local function sidecar(job, mode, project)
  local source = { mode = mode, project = project, parent = job.parent }
  if #job.mute > 0 then source.mute = job.mute end
  local told = { version = 1, position_seconds = job.start, tempo = tempo_map(), source = source }
  local markers = markers_within(job)
  if #markers > 0 then told.markers = markers end
  for _, name in ipairs({ "preset", "model" }) do
    local wanted = bridge.setting(name)
    if wanted ~= "" then told[name] = wanted end
  end
  return bridge.json(told) .. "\n"
end

-- Returns a name that neither the inbox nor this sending has yet.
local function free_name(inbox, job, taken)
  local base = bridge.file_name(job.name) .. os.date(" %Y-%m-%d %H-%M-%S")
  local name, number = base, 2
  while taken[name] or r.file_exists(bridge.path(inbox, name .. ".wav")) do
    name, number = ("%s (%d)"):format(base, number), number + 1
  end
  taken[name] = true
  return name
end

-- A disk may be missing, and where a folder is made in its place the sound would lie where nobody looks.
local function can_write_to(inbox)
  local path = bridge.path(inbox, PROBE)
  local file = io.open(path, "wb")
  if not file then return false end
  file:close()
  os.remove(path)
  return true
end

local function hand_over(one, inbox)
  local ok, why = bridge.write(inbox, one.name .. ".wav.json", one.sidecar)
  if ok then
    ok, why = os.rename(one.path, bridge.path(inbox, one.name .. ".wav")) -- last: only now the daemon sees it
    if not ok then os.remove(bridge.path(inbox, one.name .. ".wav.json")) end
  end
  return ok, why
end

-- Renders and sends. Returns the names of what was sent; or nil and the reason, and then nothing was sent.
return function(jobs, mode, inbox)
  for _, job in ipairs(jobs) do
    if #job.mute > MOST then return nil, ("More than %d things feed %s. Send a bus instead."):format(MOST, job.name) end
  end
  if not can_write_to(inbox) then return nil, "The inbox is not there, or nothing can be written to it: " .. inbox end
  local project = bridge.project_id(true)
  if project == "" then return nil, "REAPER could not store an id in the project. Save the project, and send again." end
  local folder = bridge.path(inbox, FOLDER)
  r.RecursiveCreateDirectory(folder, 0)
  local done, taken, reason = {}, {}, nil
  for _, job in ipairs(jobs) do
    local one = { name = free_name(inbox, job, taken), sidecar = sidecar(job, mode, project) }
    one.path, reason = lib.render(job, folder, one.name)
    if not one.path then break end
    table.insert(done, one)
  end
  local names = {}
  for _, one in ipairs(done) do
    local ok = not reason
    if ok then ok, reason = hand_over(one, inbox) end
    if ok then table.insert(names, one.name) else os.remove(one.path) end
  end
  os.remove(folder) -- goes only when it is empty
  if not reason then return names end
  if #names > 0 then reason = reason .. "\nSent before that: " .. table.concat(names, ", ") end
  return nil, reason
end
