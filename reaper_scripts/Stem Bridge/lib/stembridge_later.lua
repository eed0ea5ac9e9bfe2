-- @noindex
-- Waits until nothing is recorded, since an import would disturb it. Needs REAPER 6.30 or newer, no extensions.

local r = reaper
local RECORDS = 4

-- Runs work() now, or when recording has ended and the project of now is the open one again. When that project was
-- closed meanwhile, missed() runs instead.
return function(work, missed)
  local project = r.EnumProjects(-1)
  local function try()
    if not r.ValidatePtr2(0, project, "ReaProject*") then return missed() end
    if r.GetPlayStateEx(0) & RECORDS == 0 and r.EnumProjects(-1) == project then return work() end
    r.defer(try)
  end
  try()
end
