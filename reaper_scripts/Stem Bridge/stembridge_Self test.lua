-- @noindex
-- @description Self-test
-- @version 1.0
-- @about
--   # Self-test
--   Makes a short sound of its own, imports it as a drop into a new project tab, reads everything back, renders the tab
--   and compares, and writes a report that you can attach to a bug report. Your open projects are not touched.
--   Needs REAPER 6.30 or newer, no extensions.

local r = reaper
local TITLE = "Stem Bridge: self-test"
local NEW_TAB = 40859 -- New project tab
local RATE, FRAMES = 48000, 4800
local STEMS = { { "Drums", 0.25 }, { "Bass", 0.125 } } -- names and shares of full scale; the mix is their sum
local START = 1.5
local LARGEST_ERROR = 1e-6

r.defer(function() end)

local here = select(2, r.get_action_context()):match("^(.*[/\\])") or ""
local parts = { "edit", "buses", "compare", "fx", "build", "import", "bridge", "render" }
local lib = assert(loadfile(here .. "lib/stembridge_load.lua"))(here)(table.unpack(parts))
local edit, bridge = lib.edit, lib.bridge

local report, failures = {}, 0

local function note(text)
  table.insert(report, text)
end

local function expect(what, got, wanted)
  local is_right = got == wanted or type(got) == "number" and type(wanted) == "number" and math.abs(got - wanted) < 1e-9
  if not is_right then failures = failures + 1 end
  local verdict = is_right and "ok  " or "FAIL"
  note(("%s  %s: %s%s"):format(verdict, what, tostring(got), is_right and "" or ", not " .. tostring(wanted)))
end

-- A ramp: every sample differs, so that a shift by one is seen.
local function sample(frame, share)
  return share * (frame % 480) / 480
end

local function write_wav(path, share)
  local samples = {}
  for frame = 0, FRAMES - 1 do samples[frame + 1] = string.pack("<ff", sample(frame, share), sample(frame, share)) end
  local body = table.concat(samples)
  local format = string.pack("<I2I2I4I4I2I2", 3, 2, RATE, RATE * 8, 8, 32)
  local file = edit.must(io.open(path, "wb"), "write " .. path)
  file:write("RIFF", string.pack("<I4", 4 + 8 + #format + 8 + #body), "WAVE")
  file:write("fmt ", string.pack("<I4", #format), format)
  file:write("data", string.pack("<I4", #body), body)
  file:close()
end

-- Returns frames, channels and all samples of a WAV of 32-bit floats; nil for another file.
local function read_wav(path)
  local text = bridge.read(path)
  if not text or text:sub(9, 12) ~= "WAVE" then return nil end
  local at, channels, bits = 13, nil, nil
  while at + 8 <= #text do
    local name, size = text:sub(at, at + 3), string.unpack("<I4", text, at + 4)
    if name == "fmt " then
      channels, bits = string.unpack("<I2", text, at + 10), string.unpack("<I2", text, at + 22)
    elseif name == "data" and channels and bits == 32 then
      return size // (4 * channels), channels, text:sub(at + 8, at + 7 + size)
    end
    at = at + 8 + size + size % 2
  end
  return nil
end

local function drop_in(folder)
  local tracks = {}
  local function add(key, name, share, is_muted, bus)
    write_wav(folder .. name .. ".wav", share)
    table.insert(tracks, {
      id = "selftest/" .. key,
      name = name,
      channels = 2,
      volume = 1,
      pan = 0,
      mute = is_muted,
      bus = bus,
      item = { seconds = FRAMES / RATE, volume = 1, takes = { { file = name .. ".wav", name = name } } },
    })
  end
  local sum = 0
  for _, stem in ipairs(STEMS) do
    add("stem:" .. stem[1], stem[1], stem[2], false, "selftest/bus:ALL")
    sum = sum + stem[2]
  end
  table.insert(tracks, { id = "selftest/bus:ALL", name = "ALL", channels = 2, volume = 1, pan = 0, mute = false })
  add("mix", "Original", sum, true, nil)
  local origin = { seconds = START, is_timecode = false }
  return { version = 1, title = "Self-test", origin = origin, tracks = tracks, markers = {} }, sum
end

local function check_tracks(drop)
  expect("tracks", r.CountTracks(edit.PROJECT), #drop.tracks)
  for i, spec in ipairs(drop.tracks) do
    local track = r.GetTrack(edit.PROJECT, i - 1)
    local _, name = r.GetSetMediaTrackInfo_String(track, "P_NAME", "", false)
    expect("name " .. i, name, spec.name)
    expect(spec.name .. " identity", edit.identity("MediaTrack", track), spec.id)
    expect(spec.name .. " muted", r.GetMediaTrackInfo_Value(track, "B_MUTE"), spec.mute and 1 or 0)
    expect(spec.name .. " main send", r.GetMediaTrackInfo_Value(track, "B_MAINSEND"), spec.bus and 0 or 1)
    expect(spec.name .. " sends", r.GetTrackNumSends(track, 0), spec.bus and 1 or 0)
    if spec.item then
      local item = r.GetTrackMediaItem(track, 0)
      expect(spec.name .. " position", r.GetMediaItemInfo_Value(item, "D_POSITION"), START)
      expect(spec.name .. " length", r.GetMediaItemInfo_Value(item, "D_LENGTH"), FRAMES / RATE)
    end
  end
end

local function check_sound(folder, sum)
  local finish = START + FRAMES / RATE
  local path, reason = lib.render({ channels = 2, start = START, finish = finish, mute = {} }, folder, "rendered")
  expect("render", path and "made" or reason, "made")
  local frames, channels, body = nil, nil, nil
  if path then frames, channels, body = read_wav(path) end
  if path then os.remove(path) end
  expect("render's channels", channels, 2)
  if channels ~= 2 then return end
  if frames ~= FRAMES then
    return note(("note  the tab renders at another rate, %d frames: the sound was not compared"):format(frames))
  end
  local worst = 0
  for frame = 0, FRAMES - 1 do
    local left, right = string.unpack("<ff", body, frame * 8 + 1)
    worst = math.max(worst, math.abs(left - sample(frame, sum)), math.abs(right - sample(frame, sum)))
  end
  note(("note  largest difference between stems and mix: %g"):format(worst))
  expect("stems null against the mix", worst < LARGEST_ERROR, true)
end

local function run(folder)
  local drop, sum = drop_in(folder)
  local ok, message = lib.import(drop, folder)
  expect("import", ok and "done" or message, "done")
  if not ok then return end
  check_tracks(drop)
  check_sound(folder, sum)
  lib.import(drop, folder)
  expect("tracks after a second import", r.CountTracks(edit.PROJECT), #drop.tracks)
end

-- Returns a folder that no run has used: REAPER may still hold the files of those before.
local function new_folder()
  local number = 0
  while true do
    number = number + 1
    local made = bridge.path(r.GetResourcePath(), "stembridge-self-test", tostring(number), "")
    if not r.file_exists(made .. "report.txt") then return made end
  end
end

local folder = new_folder()
r.RecursiveCreateDirectory(folder, 0)
note("Stem Bridge self-test, REAPER " .. r.GetAppVersion() .. ", " .. os.date("%Y-%m-%d %H:%M:%S"))
r.Main_OnCommand(NEW_TAB, 0)
if r.CountTracks(edit.PROJECT) == 0 then
  local ok, reason = xpcall(run, edit.describe, folder)
  if not ok then
    failures = failures + 1
    note("FAIL  " .. tostring(reason))
  end
else
  failures = failures + 1
  note("FAIL  the new project tab is not empty: a template for new projects is set, so nothing was tried")
end
note(failures == 0 and "All is well." or ("%d checks failed."):format(failures))
local is_written = bridge.write(folder, "report.txt", table.concat(report, "\n") .. "\n")
r.ShowMessageBox(report[#report] .. (is_written and "\nThe report: " .. folder .. "report.txt" or ""), TITLE, 0)
